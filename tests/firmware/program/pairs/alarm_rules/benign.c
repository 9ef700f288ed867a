/*
 * Benign twin of true.c: the text is put between single quotes by a function that writes every single quote in it as '\\''; inside
 * single quotes the shell reads nothing else.
 */
#define BENIGN 1
#include "true.c"
