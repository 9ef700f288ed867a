/*
 * Benign twin of true.c: a share's name consists of letters, digits, _ and - only; true.c refuses the characters
 * Windows does not like and ; and &, so $(...), ` and newlines pass.
 */
#define BENIGN 1
#include "true.c"
