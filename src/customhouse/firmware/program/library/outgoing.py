"""Models of what is written to streams and descriptors: the printf family, write and its kin, single letters."""

import re

from .. import quoting
from ..state import Content, settled
from ..summary import SENT
from ..terms import RESULT
from .called import Actions, Call
from .printing import formatted, letter

_HEADER = 64
"""Where the length of what is written is not known, a text in it begins behind its header at the latest."""
_KEYED = re.compile(r"^%s\s*[=:]")
_LINE = "line"
"""The fact `("line", descriptor term, place)`: where in a shell's line what is written next to a descriptor stands."""
_MOST_FACTS = 60
_MOST_PIECES = 8
_LENGTHS = frozenset(("strlen", "strnlen", "sprintf", "snprintf", "vsprintf", "vsnprintf"))
"""Calls that give the length of a text."""


def _print(one: Call) -> int:
    text = one.memory.image.text(one.terms.value(one.nth(1)) or 0) or ""

    def arguments(count: int) -> tuple[int, ...]:
        return one.caller.variable_arguments(one.state, one.numbers[2], count)

    content = held = formatted(one, one.nth(1), arguments)
    if _KEYED.match(text) and text.count("%s") > 1:
        # what is read back by its key is the value, not the key
        held = formatted(one, one.nth(1), lambda count: (one.terms.zero, *arguments(count)[1:]))
    _out(one, content, held)
    return one.result(1)


def _print_list(one: Call) -> int:
    content = formatted(one, one.nth(1), lambda count: one.caller.list_arguments(one.state, one.nth(2), count))
    _out(one, content, content)
    return one.result(1)


def _write(one: Call) -> int:
    size = one.size(one.number(2))
    one.memory.whole_object(one.nth(1), one.terms.value(one.nth(2)) if one.number(2) >= 0 else None)
    if one.number(2) >= 0 and one.terms.value(one.nth(2)) is None and not _is_text(one, one.nth(2)):
        one.caller.note((SENT, one.nth(1), one.caller.limit(one.state, one.nth(2)) or 0))
    content = one.memory.within(one.state, one.nth(1), _HEADER if size is None else size)
    _out(one, content, content)
    return one.result(3)


def _is_text(one: Call, size: int) -> bool:
    """Whether so many bytes are a text, and not a packet."""
    nodes = (one.terms.nodes[part] for part in one.terms.linear(size)[0])
    return any(node[0] == RESULT and node[2] in _LENGTHS for node in nodes)


def _write_list(one: Call) -> int:
    """writev: an array of `struct iovec` (address, length)."""
    word = one.terms.word
    count = one.terms.value(one.nth(2))
    for index in range(min(count, _MOST_PIECES) if count is not None else 1):
        place = one.terms.add(one.nth(1), index * 2 * word)
        content = one.text(one.memory.load(one.state, place, word))
        _out(one, content, content)
    return one.result(3)


def _write_letter(one: Call) -> int:
    value = one.terms.value(one.nth(1))
    if value is not None:
        content = Content(frozenset(), chr(value & 255))
    else:
        content = Content(letter(one.memory, one.state, one.nth(1)), "%c")
    _out(one, content, content)
    return one.result(2)


def _out(one: Call, content: Content, held: Content) -> None:
    """A text is written to a descriptor; `held` is what can be read back of it."""
    if held.deps:
        one.caller.note(("out", one.nth(0), held, one.caller.site))
    if one.caller.feeds:
        one.caller.feed(one.state, one.name, one.nth(0), _lined(one, one.nth(0), content))


def _lined(one: Call, descriptor: int, content: Content) -> Content:
    """A text that is written to a shell is settled at the place in its line that is there."""
    descriptor = one.terms.merge(set(one.terms.flat(descriptor)))  # by whatever name it goes here
    mine = {fact for fact in one.state.facts if fact[0] == _LINE and fact[1] == descriptor}
    place = next((fact[2] for fact in mine), quoting.OUTSIDE)
    places = (place, quoting.UNKNOWN, quoting.UNKNOWN)  # a line that is read begins outside of quotes
    behind = quoting.after(places, content.template)[0]
    if behind != place:
        left = one.state.facts - mine
        more = behind != quoting.OUTSIDE and len(left) < _MOST_FACTS
        one.state.facts = left | {(_LINE, descriptor, behind)} if more else left
    return content._replace(deps=settled(content.deps, (quoting.plain(places),)))


ACTIONS: Actions = {
    "print": _print,
    "print_list": _print_list,
    "write": _write,
    "write_list": _write_list,
    "write_letter": _write_letter,
}
