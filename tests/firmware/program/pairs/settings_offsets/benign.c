// Benign twin of true.c: a value is checked before it is stored, whatever it is called.
#define BENIGN 1
#include "true.c"
