/*
 * Benign twin of true.c: what was decoded is read by strtoul as a number and printed again with %lu.
 */
#define BENIGN 1
#include "true.c"
