/* Benign twin of true.c: a time server is letters, digits, dots and dashes. */
#define BENIGN 1
#include "true.c"
