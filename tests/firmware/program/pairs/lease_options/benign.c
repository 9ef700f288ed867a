/* Benign twin of true.c: both addresses are checked; true.c checks the first one only. */
#define BENIGN 1
#include "true.c"
