/*
 * Benign twin of true.c: behind its first character a host may hold letters, digits, '.' and '-'; true.c accepts
 * everything that is printed and no blank.
 */
#define BENIGN 1
#include "true.c"
