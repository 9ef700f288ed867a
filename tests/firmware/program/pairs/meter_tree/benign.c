/* Benign twin of true.c: behind the number the text must end. */
#define BENIGN 1
#include "true.c"
