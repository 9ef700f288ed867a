/*
 * Benign twin of true.c: all four characters that mean something between double quotes (" \ $ `) are escaped; true.c
 * escapes " and \ only.
 */
#define BENIGN 1
#include "true.c"
