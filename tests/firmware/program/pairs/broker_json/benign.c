/*
 * Benign twin of true.c: posix_spawn starts the program itself with an argument vector; no shell reads the host, "--" ends the
 * options, and a leading hyphen could do nothing more.
 */
#define BENIGN 1
#include "true.c"
