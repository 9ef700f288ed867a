/*
 * Benign twin of true.c: the list of forbidden bytes is replaced by a list of allowed ones (letters, digits, dot, colon);
 * true.c forbids only some of the shell's special bytes, and leaves the back-quote, the dollar and the line feed.
 */
#define BENIGN 1
#include "true.c"
