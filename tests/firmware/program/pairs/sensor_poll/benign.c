/*
 * Benign twin of true.c: recv is told the size of the buffer that it fills.
 */
#define BENIGN 1
#include "true.c"
