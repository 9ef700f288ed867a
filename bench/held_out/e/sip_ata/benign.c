/*
 * Benign twin of true.c: the sent-by part of Via is read with %95s into 96 bytes; true.c reads it with %s.
 */
#define BENIGN 1
#include "true.c"
