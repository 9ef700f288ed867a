/*
 * Benign twin of true.c: the item of a field test is looked up in a table of three names whose constant commands are
 * run; true.c runs the item itself.
 */
#define BENIGN 1
#include "true.c"
