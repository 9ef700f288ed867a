// Benign twin of true.c: what the command takes is set at start only; the network sets another word.
#define BENIGN 1
#include "true.c"
