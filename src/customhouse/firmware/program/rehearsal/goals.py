"""Commands that are looked for in a rehearsal: a function and a template, as a flow was traced to them."""

import re
from functools import cached_property
from typing import NamedTuple

from .. import quoting
from .world import Ran

_PART = re.compile(rb"%[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|z|j|t)?([a-zA-Z%])")
_NUMBERS = rb"[-+ ]*[0-9a-fA-FxX.]+ *"


class Text(NamedTuple):
    """A text that stands in a command: where, and at which place of the shell's line."""

    at: int
    text: bytes
    place: int


class Goal:
    """`name` is the function that runs the command, `site` where it is called, `template` its text with holes, and
    `path` are the functions on the way there.
    """

    def __init__(self, name: str, site: int, template: str, path: frozenset[int] = frozenset()) -> None:
        self.name, self.site, self.template, self.path = name, site, template, path

    @cached_property
    def _form(self) -> re.Pattern[bytes]:
        raw, out, at = self.template.encode("latin-1", "replace"), b"", 0
        for part in _PART.finditer(raw):
            out += _literal(raw[at : part.start()])
            at = part.end()
            kind = part[1]
            out += b"%" if kind == b"%" else b"(.*?)" if kind in b"sc" else _NUMBERS
        return re.compile(out + _literal(raw[at:]), re.DOTALL)

    def command(self, ran: Ran) -> bytes | None:
        """The command of a run that is the one looked for."""
        if ran.name.removeprefix("__").removesuffix("_chk") != self.name.removeprefix("__").removesuffix("_chk"):
            return None
        found = next((one for one in reversed(ran.arguments) if self._form.fullmatch(one)), None)
        return ran.arguments[-1] if found is None and ran.site == self.site and ran.arguments else found

    def is_whole(self, command: bytes) -> bool:
        """Whether a command has the template's form, so that all of its texts are known."""
        return self._form.fullmatch(command) is not None

    def texts(self, command: bytes) -> list[Text]:
        """What stands in the holes for texts, without the ends of lines at the command's end, which do nothing."""
        found = self._form.fullmatch(command)
        if found is None:
            return []
        out: list[Text] = []
        for number in range(1, self._form.groups + 1):
            start, end = found.span(number)
            text = command[start:end].rstrip(b"\r\n") if end == len(command) else command[start:end]
            out.append(Text(start, text, _place(command, start, out)))
        return out


def _literal(text: bytes) -> bytes:
    """Constant text as a pattern. Its numbers may be others: a template is one of several that differ in them."""
    return re.sub(rb"\d+", rb"\\d+", re.escape(text))


def _place(command: bytes, end: int, before: list[Text]) -> int:
    """The place of a shell's line behind the constant parts of a command; texts are taken for harmless."""
    kept = bytearray(command[:end])
    for one in before:
        kept[one.at : one.at + len(one.text)] = b"k" * len(one.text)
    place = quoting.OUTSIDE
    found = quoting.after((place, quoting.SINGLE, quoting.DOUBLE), kept.decode("latin-1"))
    return quoting.plain(found)[0]


def place_in(command: bytes, at: int) -> int:
    """The place of a shell's line in front of a byte of it."""
    return _place(command, at, [])


def acts(text: Text) -> bool:
    """Whether a shell does more with a text than to take it as a word, or a part of one."""
    behind = quoting.passed(text.place, text.text)
    return behind is None or behind != text.place
