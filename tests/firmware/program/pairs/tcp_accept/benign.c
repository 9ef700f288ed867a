/*
 * Benign twin of true.c: the word after RUN is compared with a fixed list and only the list's own string is executed.
 */
#define BENIGN 1
#include "true.c"
