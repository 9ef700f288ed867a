/*
 * Benign twin of true.c: the same hidden word is asked for, but then only a constant list of reports is run.
 */
#define BENIGN 1
#include "true.c"
