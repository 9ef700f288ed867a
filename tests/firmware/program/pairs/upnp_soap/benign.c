/*
 * Benign twin of true.c: the address is read as four numbers, each checked to be a byte, and written again with %d; the tag's text
 * itself never reaches the command.
 */
#define BENIGN 1
#include "true.c"
