/*
 * Benign twin of true.c: the job's kind selects one of a few constant commands; the text of the job is only logged.
 */
#define BENIGN 1
#include "true.c"
