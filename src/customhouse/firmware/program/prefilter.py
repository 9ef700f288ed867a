"""Programs that cannot hold a flow, told by their imports and the names in their data in a millisecond."""

import re
from collections.abc import Mapping
from typing import Any

from .elf import Image
from .tables import table

_TABLE = table("libc.toml")
_NAMES = _TABLE["names"]
_READERS = frozenset(
    name for name, model in _TABLE["models"].items() if str(model[0]).startswith(("receive", "scan_stream"))
) | {"fgetc", "getc", "_IO_getc", "getc_unlocked", "getchar"}
_VARIABLES = tuple(f"{name}\0".encode() for name in _NAMES["cgi"]) + tuple(
    str(n).encode() for n in _NAMES["cgi_prefix"]
)
_CONNECTIONS = frozenset(_NAMES["connections"])
_SERVICES = frozenset(_NAMES["services"])
_OPTIONS = frozenset(("getsockopt", "setsockopt"))
_PATIENCE = frozenset(("alarm", "select", "poll"))
_SHELL = re.compile(rb"(?<![!-.0-~])(?:|a|da|ba)sh[\0 ]|chmod|(?:source|\.) /")
_LINE = re.compile(rb"[0-9A-Za-z]\r\n\0")
MEMORY = frozenset(("BIO_read", "BIO_gets"))
"""Readers of what is only memory, a file or a filter in programs that make no connection of it."""


def unwanted(image: Image, extra: Mapping[str, list[Any]]) -> str:
    """Empty when the program is worth reading, else the reason why not."""
    if image.static or not image.dynamic:
        return ""
    imported = {*image.import_address}
    command = imported & {*_NAMES["sinks"]} or {
        name for name in imported if str(extra.get(name, [""])[0]).startswith("command")
    }
    if not image.interpreter and image.exports and image.entry not in image.names:
        return "" if command or imported & {*_NAMES["network"]} else "no source and no sink"
    if command or (imported & {*_NAMES["overflows"]} and speaks(image, extra)):
        return ""
    return "no source and no sink"


def speaks(image: Image, extra: Mapping[str, list[Any]]) -> bool:
    """Whether bytes from outside can get into the program at all: by a socket, by the variables of a CGI, by a library
    of the image, or by what it inherits and reads (a service that inetd starts).
    """
    if not image.interpreter or not image.dynamic:
        return True
    imported = {*image.import_address}
    if imported & {*_NAMES["getters"]} or any(name in imported for name in extra):
        return True
    if imported & ({*_NAMES["network"]} - (set() if imported & _CONNECTIONS else MEMORY)):
        return True
    if imported & {"getenv", "secure_getenv"} and _named(image, _VARIABLES):
        return True
    return bool(imported & _READERS) and (bool(imported & {"socket", "accept", "accept4"}) or inherits(image))


def feeds(image: Image) -> bool:
    """Whether what the program writes may be run: it names a shell, or makes files that can be."""
    return any(_SHELL.search(one.data) for one in image.segments)


def inherits(image: Image) -> bool:
    """Whether a program looks like a service that inetd starts: what it reads from its standard input is a connection.

    It asks who is at the other end, or it writes a log beside what it answers, as no filter of the command line does.
    Or it sets options of a socket that it did not make, or it ends its lines as the protocols of the network do and
    waits for the next one only so long.
    """
    imported = {*image.import_address}
    if imported & {"accept", "accept4", "listen"}:
        return False
    if imported & _SERVICES or (imported & _OPTIONS and "socket" not in imported):
        return True
    return bool(imported & _PATIENCE) and any(_LINE.search(one.data) for one in image.segments)


def _named(image: Image, texts: tuple[bytes, ...]) -> bool:
    return any(text in one.data for one in image.segments for text in texts)
