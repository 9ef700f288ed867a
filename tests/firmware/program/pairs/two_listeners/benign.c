/*
 * Benign twin of true.c: a table of 256 flags says which bytes may stand in the argument: letters, digits, dot and underscore.
 */
#define BENIGN 1
#include "true.c"
