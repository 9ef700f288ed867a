"""Names of results that no function gives: what the engine's own models say of a call."""

NUMBER_END = "number end"
"""Where strtol and its kin stopped: the argument is the text; a pointer is made of it."""
CONSUMED = "consumed"
"""How many bytes a scan took (`%n`): the arguments are the text and the format."""
WRITTEN = "written"
"""How many bytes a loop of the program wrote: the arguments are the text that it reads, how many bytes of it make how
many of what it writes, and numbers that are no less.
"""
