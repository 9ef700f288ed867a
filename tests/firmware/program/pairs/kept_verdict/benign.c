#define BENIGN 1
#include "true.c"
