/*
 * Benign twin of true.c: a name that holds anything but letters and digits is refused, so nothing can end the quotes.
 */
#define BENIGN 1
#include "true.c"
