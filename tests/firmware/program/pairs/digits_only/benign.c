/*
 * Benign twin of true.c: only strings made of the digits 0-9 reach the command.
 */
#define BENIGN 1
#include "true.c"
