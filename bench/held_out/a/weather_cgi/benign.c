/*
 * Benign twin of true.c: a station's name consists of letters and digits; true.c only forbids slashes and "..".
 */
#define BENIGN 1
#include "true.c"
