/* Benign twin of true.c: the quotes are left, an escaped quote is written, and they are entered again. */
#define BENIGN 1
#include "true.c"
