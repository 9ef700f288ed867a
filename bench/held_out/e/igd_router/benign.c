/*
 * Benign twin of true.c: a port has to be digits up to its end; true.c looks at atoi of it only.
 */
#define BENIGN 1
#include "true.c"
