/*
 * Benign twin of true.c: the mailer's command is constant and the recipient only goes into the letter; in true.c it is on the command line.
 */
#define BENIGN 1
#include "true.c"
