/*
 * Benign twin of true.c: a record's tag is replaced byte by byte: all that is no letter or digit becomes an underscore before
 * the record enters the ring, and the message itself never enters a command.
 */
#define BENIGN 1
#include "true.c"
