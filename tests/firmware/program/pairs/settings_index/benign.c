/* Benign twin of true.c: a time zone is capitals, digits and signs. */
#define BENIGN 1
#include "true.c"
