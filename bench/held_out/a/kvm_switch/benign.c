/*
 * Benign twin of true.c: the label is one argument of the helper program; in true.c it is part of a line for the shell.
 */
#define BENIGN 1
#include "true.c"
