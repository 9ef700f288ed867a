/*
 * Benign twin of true.c: the parameter of the line's speed is turned into a number, compared with the speeds that exist and
 * printed with %d.
 */
#define BENIGN 1
#include "true.c"
