/*
 * Benign twin of true.c: the server's name is kept only when every byte is a letter, a digit, a dot or an inner hyphen.
 */
#define BENIGN 1
#include "true.c"
