/*
 * Benign twin of true.c: a word that does not fit into the buffer is refused before it is copied; true.c copies any word.
 */
#define BENIGN 1
#include "true.c"
