/*
 * Benign twin of true.c: the address must be one that inet_pton knows, and what goes into the command is inet_ntop's own rendering.
 */
#define BENIGN 1
#include "true.c"
