/*
 * Benign twin of true.c: every byte of the clip's name has to be a letter, a digit or an underscore; true.c looks at the first byte only.
 */
#define BENIGN 1
#include "true.c"
