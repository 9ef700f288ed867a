/*
 * Benign twin of true.c: a quote inside the quoted word is written as '\'' (right for the shell); true.c writes \' , which ends the word.
 */
#define BENIGN 1
#include "true.c"
