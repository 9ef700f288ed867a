/*
 * Benign twin of true.c: the stored host is checked again where it is used: the ping page refuses a value with any byte
 * outside [A-Za-z0-9.] .
 */
#define BENIGN 1
#include "true.c"
