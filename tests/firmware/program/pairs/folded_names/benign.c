/* Benign twin of true.c: the name is written in hexadecimal digits; true.c writes it in lower case. */
#define BENIGN 1
#include "true.c"
