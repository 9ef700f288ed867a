// Benign twin of true.c: the check of every row holds for the whole value.
#define BENIGN 1
#include "true.c"
