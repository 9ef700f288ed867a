"""What is known at one point of a function: registers, memory cells, texts in buffers, and facts that checks
established.
"""

from typing import Any, NamedTuple

from .terms import Location

Dep = tuple[Any, ...]
"""What a text is made of: `("X", result term, 0, 0, clean)` bytes from a source, `("T", root, offset, stride, clean)`
what memory held before,
`("V", format term, argument terms, 0, clean)` a format that is not known yet. `clean` says that a check keeps shell
characters out."""

Fact = tuple[Any, ...]
"""`("lacks", pointer term, mask of bytes)`, `("eq", pointer term, text)`, `("word", root, offset, size, value)`."""

_MAX_DEPS = 12


class Content(NamedTuple):
    """Text in a buffer: what it is made of, and its form with `%s` for what is not constant. `extent` in bytes, 0
    when unknown.

    `verbatim` when the buffer is a byte-for-byte copy of the one dependency, so that offsets carry over.
    """

    deps: frozenset[Dep]
    template: str
    extent: int = 0
    verbatim: bool = False


EMPTY = Content(frozenset(), "")


def literal(text: str) -> Content:
    return Content(frozenset(), text, len(text) + 1)


def either(a: Content, b: Content) -> Content:
    """What the text is when it may be one or the other."""
    if a == b:
        return a
    deps = a.deps | b.deps
    if len(deps) > _MAX_DEPS:
        deps = frozenset(sorted(deps, key=repr)[:_MAX_DEPS])
    if bool(a.deps) != bool(b.deps):
        template = a.template if a.deps else b.template
    else:
        template = min((a.template, b.template), key=lambda one: (-len(one), one))
    return Content(
        deps,
        template,
        max(a.extent, b.extent) if a.extent and b.extent else 0,
        a.verbatim and b.verbatim and a.deps == b.deps,
    )


def joined(a: Content, b: Content) -> Content:
    """Concatenation."""
    deps = a.deps | b.deps
    return Content(
        deps if len(deps) <= _MAX_DEPS else frozenset(sorted(deps, key=repr)[:_MAX_DEPS]),
        (a.template + b.template)[:400],
    )


class State:
    """Mutable; copied at branches."""

    __slots__ = ("facts", "masks", "ranges", "registers", "texts", "words")

    def __init__(self) -> None:
        self.registers: dict[int, int] = {}
        self.words: dict[Location, tuple[int, int]] = {}
        self.texts: dict[Location, Content] = {}
        self.facts: frozenset[Fact] = frozenset()
        self.masks: dict[int, int] = {}
        """Which byte values (a bit each) a byte-sized term can still have."""
        self.ranges: dict[int, tuple[int, int]] = {}

    def copy(self) -> "State":
        new = State.__new__(State)
        new.registers = self.registers.copy()
        new.words = self.words.copy()
        new.texts = self.texts.copy()
        new.facts = self.facts
        new.masks = self.masks.copy()
        new.ranges = self.ranges.copy()
        return new

    def same(self, other: "State") -> bool:
        return (
            self.registers == other.registers
            and self.words == other.words
            and self.texts == other.texts
            and self.facts == other.facts
            and self.masks == other.masks
            and self.ranges == other.ranges
        )
