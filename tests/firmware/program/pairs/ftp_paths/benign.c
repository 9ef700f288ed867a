/*
 * Benign twin of true.c: the count is cut to what is left of the destination, and the end is set.
 */
#define BENIGN 1
#include "true.c"
