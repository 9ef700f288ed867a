"""Summaries of the image's own libraries: which exported functions run a command or give bytes from outside."""

from collections.abc import Mapping

from customhouse.model import Model

from .elf import Image


class LibraryFunction(Model, frozen=True, kw_only=True):
    """`role` is command or source; `argument` is the command's; `format` when it is a printf format with arguments behind it."""

    name: str
    role: str
    argument: int = 0
    format: bool = False


class LibrarySummaries(Model, frozen=True, kw_only=True):
    """What is known of the libraries that a program may load, by function name."""

    functions: dict[str, LibraryFunction] = {}


def models(libraries: LibrarySummaries, image: Image) -> Mapping[str, list[object]]:
    """Call models for the imports that the libraries define."""
    out: dict[str, list[object]] = {}
    for name in image.import_address:
        known = libraries.functions.get(name)
        if known is None:
            continue
        if known.role == "command":
            out[name] = ["command_format" if known.format else "command", known.argument]
        else:
            out[name] = ["outside", known.argument]
    return out
