/*
 * Benign twin of true.c: the value of the ST line is copied with strncpy and terminated; true.c uses strcpy (the
 * datagram has up to 1535 bytes, the buffer 128).
 */
#define BENIGN 1
#include "true.c"
