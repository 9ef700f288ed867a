/*
 * Benign twin of true.c: the child maps the first byte of what it reads from the pipe to one of four constant commands.
 */
#define BENIGN 1
#include "true.c"
