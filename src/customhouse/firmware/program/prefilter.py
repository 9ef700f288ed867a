"""Programs that cannot hold a flow, told by their imports in a millisecond."""

from collections.abc import Mapping
from typing import Any

from .elf import Image
from .tables import table

_NAMES = table("libc.toml")["names"]


def unwanted(image: Image, extra: Mapping[str, list[Any]]) -> str:
    """Empty when the program is worth reading, else the reason why not."""
    if not image.dynamic:
        return ""
    imported = {*image.import_address}
    command = imported & {*_NAMES["sinks"]} or {
        name for name in imported if str(extra.get(name, [""])[0]).startswith("command")
    }
    overflow = imported & {*_NAMES["overflows"]}
    source = imported & {*_NAMES["sources"]} or {name for name in imported if extra.get(name, [""])[0] == "outside"}
    if not image.interpreter and image.exports and image.entry not in image.names:
        return "" if command or imported & {*_NAMES["network"]} else "no source and no sink"
    if command or (overflow and source):
        return ""
    return "no source and no sink"
