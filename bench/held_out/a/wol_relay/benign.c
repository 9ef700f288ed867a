/*
 * Benign twin of true.c: the address is read into six bytes and written again with %02x; true.c counts the colons of a text.
 */
#define BENIGN 1
#include "true.c"
