/*
 * Benign twin of true.c: credentials longer than the buffer are refused; true.c only knows that they are within the
 * datagram (1280 bytes against 64).
 */
#define BENIGN 1
#include "true.c"
