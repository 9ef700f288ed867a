/*
 * Benign twin of true.c: the supervised host has to be an address as inet_pton sees it; inet_aton, which true.c uses,
 * accepts anything behind a blank after the address.
 */
#define BENIGN 1
#include "true.c"
