/*
 * Benign twin of true.c: the network's name is taken from the list of operators that it is equal to; true.c takes it as it came.
 */
#define BENIGN 1
#include "true.c"
