/*
 * Benign twin of true.c: the length of a label is cut to the size of the buffer; true.c copies as many bytes as the frame has.
 */
#define BENIGN 1
#include "true.c"
