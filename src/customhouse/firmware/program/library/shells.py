"""Which programs run what they read: shells without a command of their own, and the scripts that commands name.

Source: POSIX, Shell and Utilities, `sh` (options -c and -s, operands) and 2.9 Shell Commands.
"""

import re
from collections.abc import Sequence

from ..tables import table

SHELL = re.compile(r"(^|/)(sh|bash|ash|dash)$")
COMMAND_OPTIONS = frozenset(("-c", "-lc", "-ec"))
INPUT, NOTHING = "input", ""
"""What a shell runs: its standard input, nothing that we see; else the path of a script."""

_LAUNCHERS = frozenset(table("libc.toml")["names"]["launchers"])
_SOURCING = frozenset((".", "source"))
_LONG = frozenset(("--rcfile", "--init-file", "-o", "+o"))
"""Options whose value is a word of its own."""
_SEPARATOR = re.compile(r"\|\||&&|[;\n&]")
_JOINED = re.compile(r"\d*[<>]&\d*-?|&>+\s*\S+")
_OUTPUT = re.compile(r"\d*>+\|?\s*\S+")
_INPUT = re.compile(r"(?<!<)0?<(?!<)\s*(\S+)")
_QUOTES = str.maketrans("", "", "'\"(){}")


def run_by(words: Sequence[str]) -> str:
    """What a program runs that is started with these words (its own name first): `INPUT`, a script, or `NOTHING`."""
    left = _program(words)
    if not left:
        return NOTHING
    if left[0] in _SOURCING:
        return left[1] if len(left) > 1 else NOTHING
    if not SHELL.search(left[0]):
        return left[0] if "/" in left[0] else NOTHING
    options = iter(left[1:])
    for word in options:
        if word in _LONG:
            next(options, None)
        elif word in ("-", "--"):
            return next(options, INPUT)
        elif word.startswith("--"):
            continue
        elif word[:1] in ("-", "+"):
            if "c" in word:
                return NOTHING
            if "s" in word:
                return INPUT
        else:
            return word
    return INPUT


def _program(words: Sequence[str]) -> Sequence[str]:
    """The words from the program on that is run in the end, behind assignments and what only starts another."""
    at = 0
    while at < len(words) and words[at].rpartition("/")[2] in _LAUNCHERS:
        at += 1
        while at < len(words) and (words[at][:1] in ("-", "+") or words[at].isdigit() or "=" in words[at]):
            at += 1
    return words[at:]


def takes_commands(command: str) -> bool:
    """Whether a shell that is given this command line has another run what stands in its standard input."""
    return any(not piped and not source and run_by(words) == INPUT for words, source, piped in _simple(command))


def scripts(command: str) -> frozenset[str]:
    """The files whose lines a command line runs."""
    out = set()
    for words, source, _ in _simple(command):
        found = run_by(words)
        out.add(source if found == INPUT else found)
    return frozenset(one for one in out if "/" in one and "%" not in one)


def _simple(command: str) -> list[tuple[list[str], str, bool]]:
    """The simple commands of a line: words, the file that is their standard input, and whether a pipe is that."""
    out = []
    for part in _SEPARATOR.split(_JOINED.sub(" ", command)):
        for index, one in enumerate(part.split("|")):
            source = _INPUT.search(one)
            words = _INPUT.sub(" ", _OUTPUT.sub(" ", one)).translate(_QUOTES).split()
            while words and "=" in words[0]:
                words.pop(0)
            out.append((words, source[1] if source else "", index > 0))
    return out
