/*
 * Benign twin of true.c: wget is started directly by execl with the address as one argument after "--"; no shell reads it.
 */
#define BENIGN 1
#include "true.c"
