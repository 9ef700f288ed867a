/*
 * Benign twin of true.c: the length that the packet names is compared with the size of the name's buffer before the copy.
 */
#define BENIGN 1
#include "true.c"
