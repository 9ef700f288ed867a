/*
 * Benign twin of true.c: after the hidden word only one of four reports can be named, and what is run is the table's text.
 */
#define BENIGN 1
#include "true.c"
