/*
 * Benign twin of true.c: the stored seconds go through atoi and %d into the command; true.c puts the text there.
 */
#define BENIGN 1
#include "true.c"
