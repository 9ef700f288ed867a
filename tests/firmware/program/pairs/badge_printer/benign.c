/*
 * Benign twin of true.c: the title is compared with the size of its own buffer.
 */
#define BENIGN 1
#include "true.c"
