/*
 * Benign twin of true.c: a number to dial has digits only; true.c is content when the first byte is a digit.
 */
#define BENIGN 1
#include "true.c"
