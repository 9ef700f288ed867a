/*
 * Benign twin of true.c: all but letters, digits, blank, dot and comma is replaced; true.c replaces some bytes, not $ and not `.
 */
#define BENIGN 1
#include "true.c"
