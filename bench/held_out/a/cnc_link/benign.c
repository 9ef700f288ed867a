/*
 * Benign twin of true.c: a block longer than the buffer is refused before it is received; true.c receives what the header says.
 */
#define BENIGN 1
#include "true.c"
