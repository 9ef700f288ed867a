/*
 * Benign twin of true.c: the handlers only ever hand constant strings to system(); the payload selects which one
 * through a bounds-checked index and is otherwise printed.
 */
#define BENIGN 1
#include "true.c"
