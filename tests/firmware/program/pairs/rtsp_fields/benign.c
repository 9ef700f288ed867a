/*
 * Benign twin of true.c: both fields are filled by a bounded copy that always ends the string.
 */
#define BENIGN 1
#include "true.c"
