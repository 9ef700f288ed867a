/*
 * Benign twin of true.c: two header values are put together with snprintf, of which the buffer's size is told; true.c uses sprintf.
 */
#define BENIGN 1
#include "true.c"
