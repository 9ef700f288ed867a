/*
 * Benign twin of true.c: the setter refuses every value with a byte that is no letter, digit, dot, colon or underscore (a hyphen
 * could start an option), so nothing else is ever in the store; the store is written by nobody else.
 */
#define BENIGN 1
#include "true.c"
