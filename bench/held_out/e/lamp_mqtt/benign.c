/*
 * Benign twin of true.c: besides its beginning, every character of the URL is checked (letters, digits, / : . _ -);
 * true.c checks the beginning and the length, a single quote passes.
 */
#define BENIGN 1
#include "true.c"
