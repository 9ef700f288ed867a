"""Programs run in the emulator, with a peer on the network that is not there: what becomes of what it sends.

Nothing of the host is touched. Files, sockets, clocks and processes are a `World` of this room's own; the functions of
the C library are answered here, and code that asks for something that has no answer ends the run.
"""
