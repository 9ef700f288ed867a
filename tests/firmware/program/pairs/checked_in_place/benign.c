// Benign twin of true.c: a zone that fails its check is put back.
#define BENIGN 1
#include "true.c"
