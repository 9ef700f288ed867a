/*
 * Benign twin of true.c: every %s of the scan has a width one less than its buffer.
 */
#define BENIGN 1
#include "true.c"
