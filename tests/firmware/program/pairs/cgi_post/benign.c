/*
 * Benign twin of true.c: each value is copied by a function that stops at the first byte outside letters, digits, dot and slash.
 */
#define BENIGN 1
#include "true.c"
