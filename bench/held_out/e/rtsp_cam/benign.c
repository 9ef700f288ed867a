/*
 * Benign twin of true.c: a value may only hold letters, digits, '.', '-' and '_' and does not begin with '-'; true.c
 * looks for ; | and & only ($(...) and ` pass).
 */
#define BENIGN 1
#include "true.c"
