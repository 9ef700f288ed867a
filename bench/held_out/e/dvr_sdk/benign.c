/*
 * Benign twin of true.c: the zone handed to the shell is written anew from the sign and the two numbers that sscanf
 * found; true.c copies the text as it came (anything may follow the minutes).
 */
#define BENIGN 1
#include "true.c"
