/*
 * Benign twin of true.c: the path is put together by snprintf with the buffer's size, and a result that does not fit is refused.
 */
#define BENIGN 1
#include "true.c"
