/*
 * Benign twin of true.c: snprintf is told the size of the buffer.
 */
#define BENIGN 1
#include "true.c"
