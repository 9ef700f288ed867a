"""Host names as devices and makers write them: hostile until they have the shape of one."""

import re

LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
"""RFC 1123 labels, and the underscore that service names use."""


def host_name(text: str, *, wildcard: bool = False) -> str:
    """The lower-case name without its final dot, or the empty text when it is no host name.

    `wildcard` also lets one leading `*.` stand for any name below. An address is no host name.
    """
    name = text.strip().lower().removesuffix(".")
    if len(name) > 253 or not name:
        return ""
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    labels = name.split(".")
    if wildcard and labels[0] == "*" and len(labels) > 2:
        labels = labels[1:]
    if not all(LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        return ""
    return name
