/*
 * Benign twin of true.c: the job's name goes to the accounting line in the environment and the command is constant
 * (with "$JOB_NAME" in quotes); true.c writes the name into the command, between double quotes.
 */
#define BENIGN 1
#include "true.c"
