/*
 * Benign twin of true.c: a path that does not fit together with the root and "index.html" is answered with 414 before
 * the strcat calls; true.c does not look at its length.
 */
#define BENIGN 1
#include "true.c"
