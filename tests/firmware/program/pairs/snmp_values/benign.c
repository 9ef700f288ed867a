/*
 * Benign twin of true.c: the length is compared with the size of the buffer that is filled; true.c compares it with a larger number.
 */
#define BENIGN 1
#include "true.c"
