// Benign twin of true.c: the time server is checked before it is kept.
#define BENIGN 1
#include "true.c"
