/* Benign twin of true.c: all but letters, digits, dots and dashes is replaced. */
#define BENIGN 1
#include "true.c"
