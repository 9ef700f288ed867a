/*
 * Benign twin of true.c: the share's name must be one that the configuration file lists, and it is the file's own string that
 * goes into the command; whoever can write that file is root already.
 */
#define BENIGN 1
#include "true.c"
