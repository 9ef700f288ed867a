/*
 * Benign twin of true.c: the mode must equal one of four words, and it is the constant word that is kept and used.
 */
#define BENIGN 1
#include "true.c"
