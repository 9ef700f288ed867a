/* Benign twin of true.c: the client is digits and dots. */
#define BENIGN 1
#include "true.c"
