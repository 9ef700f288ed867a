/* Benign twin of true.c: the note is one word of the program's arguments, no shell reads it. */
#define BENIGN 1
#include "true.c"
