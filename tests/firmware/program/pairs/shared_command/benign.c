/*
 * Benign twin of true.c: the worker takes a digit out of the shared buffer and uses it to choose among constant commands.
 */
#define BENIGN 1
#include "true.c"
