/*
 * Benign twin of true.c: the wifi handler formats numbers that were read out of the packet (channel, power) and
 * picks the network's name from a constant list by a checked index; no byte of text goes into a command.
 */
#define BENIGN 1
#include "true.c"
