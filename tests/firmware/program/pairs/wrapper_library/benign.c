/*
 * Benign twin of true.c: the library's wrapper is given a number, not the received text.
 */
#define BENIGN 1
#include "true.c"
