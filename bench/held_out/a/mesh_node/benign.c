/*
 * Benign twin of true.c: both addresses have to be accepted by inet_pton; true.c only counts the dots.
 */
#define BENIGN 1
#include "true.c"
