"""Models of what copies, fills and allocates memory: strcpy, strcat, memcpy, memset, strdup, malloc and their kin."""

from typing import Any

from .. import bounds, duplicates, quoting
from ..lift import MUL
from ..private import drop
from ..state import EMPTY, State, kept
from ..terms import CONST, DERIVED, HEAP, OP, PARAM, RESULT, Location
from .called import Actions, Call, Caller

_MAX_COPY = 1024
_BYTE = 0xFF
"""The most that a byte can be, whatever it is."""
_ENDS = frozenset(("stpcpy", "__stpcpy_chk"))
"""Copies that give the end of what they wrote."""


def _copy(one: Call) -> int:
    target, content = one.nth(0), one.text(one.nth(1))
    limit = one.size(one.number(2))
    behind = None
    if one.number(3) == 1:
        source = one.nth(1)
        start, before = _begun(one, target, source)
        behind = appends(one, target) or _after(one, target)
        start = behind[0] if behind is not None else start
        again = 1 if behind is None else one.caller.again(one.state, start, content)
        sources = ((source, None), *(_earlier(one, start, source) if behind is not None else ()))
        one.caller.overrun(one.state, one.name, start, content, None, sources, before, again)
        limit = _measured(one, one.nth(1))
    elif one.number(2) >= 0:
        one.caller.overrun(one.state, one.name, target, content, one.nth(2), ((one.nth(1), None),))
    placed = one.memory.placed(one.state, target, content)
    room = one.room(one.nth(2)) if one.number(2) >= 0 and not limit else -1
    sized = bool(limit) and one.number(3) != 1
    one.write(target, placed._replace(extent=limit or content.extent, verbatim=False, room=room), sized=sized)
    if behind is not None:
        one.memory.went_on(one.state, behind[0])
    if content.deps:
        _duplicated(one)
    if not content.deps and content.template:
        one.memory.emitted(one.state, target, content.template)
        one.caller.ends.cut(one.state, one.terms.add(target, len(content.template)))
    return target


def _duplicated(one: Call) -> None:
    """The copy is the text, or as much of it as its size says; `memccpy` may have stopped before."""
    target, source = one.nth(0), one.nth(1)
    if one.number(2) == -1:
        duplicates.made(one.terms, one.state, target, source)
    elif one.name != "memccpy":
        less = int(one.name == "strlcpy")
        duplicates.made(one.terms, one.state, target, source, one.terms.add(one.nth(2), -less))


def _measured(one: Call, source: int) -> int | None:
    """The most bytes of a text by a test of its length alone."""
    return one.caller.string_limit(one.state, source) if one.caller.separate(one.state, frozenset((source,))) else None


def _begun(one: Call, target: int, source: int) -> tuple[int, int]:
    """Where the text begins at whose end a pointer is, and the most bytes between, when that is known: the target of
    one copy behind another.
    """
    terms = one.terms
    base, more = terms.based(target)
    node = terms.nodes[base]
    if node[0] == OP:
        return _behind(one, target, source)
    if node[0] != DERIVED or more < 0:
        return target, 0
    call = terms.nodes[node[2]]
    if call[0] != RESULT or call[2] not in _ENDS:
        return target, 0
    start, before = _begun(one, node[1], source)
    length = _measured(one, call[3][1]) or one.text(call[3][1]).extent
    known = length and (before or start == node[1])
    return (start, before + length - 1 + more) if known else (target, 0)


def _behind(one: Call, target: int, source: int) -> tuple[int, int]:
    """The same for a pointer that an index was added to. When the text's own length was tested together with the index,
    what is between is what both can be less the length's own limit.
    """
    terms, state = one.terms, one.state
    behind = appends(one, target)
    if behind is not None:
        return behind[0], max(one.text(behind[0]).extent - 1, 0) + behind[1]
    limit = one.caller.string_limit(state, source)
    tested = [term for term in state.ranges if terms.nodes[term][0] == RESULT and terms.nodes[term][2] == "strlen"]
    length = next((term for term in tested if terms.nodes[term][3][:1] == (source,)), None)
    size = terms.zero if limit is None or length is None else terms.add(length, 1)
    if limit is not None and length is None:
        return target, 0
    found = one.caller.whole_copy(state, target, size)
    most = terms.value(found.size)
    if found.start == target or most is None or found.moving is not None or terms.signed(most) < 0:
        return target, 0
    first = _first(one, target, found.start)
    return terms.add(found.start, first), max(most - first - (limit or 0), 0)


def _first(one: Call, target: int, start: int) -> int:
    """The least that an index adds to a start: rows that are counted from one begin a row behind it."""
    parts, begun = one.terms.linear(target)[0], one.terms.linear(start)[0]
    least = 0
    for part, factor in parts.items():
        if count := factor - begun.get(part, 0):
            low = bounds.least(one.terms, one.state, part)
            if low is None or low < 0 or count < 0:
                return 0
            least += count * low
    return least if least < _MAX_COPY else 0


def appends(one: Call, target: int) -> tuple[int, int] | None:
    """The text that a copy goes on with, and how far behind its end: `strcpy(text + strlen(text) + 1, more)`."""
    parts, more = one.terms.linear(target)
    for part, factor in parts.items():
        node = one.terms.nodes[part]
        if factor == 1 and node[0] == RESULT and node[2] == "strlen" and node[3]:
            rest = {other: count for other, count in parts.items() if other != part}
            begun, first = one.terms.linear(node[3][0])
            if begun == rest and 0 <= more - first <= _MAX_COPY:
                one.memory.begin(node[3][0])
                return int(node[3][0]), more - first
    return None


def _after(one: Call, target: int) -> tuple[int, int] | None:
    """The same behind a copy that gave its end, when that went on with a text: `stpcpy(text + strlen(text), more)`."""
    base, more = one.terms.based(target)
    node = one.terms.nodes[base]
    call = one.terms.nodes[node[2]] if node[0] == DERIVED else node
    if node[0] != DERIVED or call[0] != RESULT or call[2] not in _ENDS or not 0 <= more <= _MAX_COPY:
        return None
    return appends(one, int(node[1])) or _after(one, int(node[1]))


def _earlier(one: Call, text: int, source: int) -> tuple[tuple[int, int | None], ...]:
    """The texts that were put at the end of a text before, as sources of one copy: together they may be too long. None
    when it is known how long the text is.
    """
    whole = one.text(text)
    found = one.caller.before(whole, source)
    return () if whole.extent or not whole.deps else tuple((put, None) for put in found)


def _copy_end(one: Call) -> int:
    target = _copy(one)
    return one.terms.make((DERIVED, target, one.result()), target)


def _append(one: Call) -> int:
    target, content = one.nth(0), one.text(one.nth(1))
    source = one.nth(1)
    old = one.text(target)
    before = len(old.template) if not old.deps else max(old.extent - 1, 0)
    size = one.terms.value(one.nth(2)) if one.number(2) >= 0 else None
    again = one.caller.again(one.state, target, content) if one.name != "strlcat" else 1
    rest = _end_of_rest(one, target, one.nth(2)) if one.number(2) >= 0 else None
    if rest is not None:
        one.caller.overrun(one.state, one.name, target, content, None, ((source, rest),))
    elif one.number(3) == 1:
        sources = ((source, None), *_earlier(one, target, source))
        one.caller.overrun(one.state, one.name, target, content, None, sources, before, again)
    elif again > 1 and one.number(2) >= 0:
        most = one.caller.limit(one.state, one.nth(2))
        known = None if most is None else most + 1
        one.caller.overrun(one.state, one.name, target, content, None, ((source, known),), before, again)
    elif size is not None and before and one.name != "strlcat":
        one.caller.overrun(one.state, one.name, target, content, None, ((source, size + 1),), before)
    elif one.number(2) >= 0 and one.name != "strlcat":
        one.caller.overrun(one.state, one.name, target, content, one.nth(2), ((source, None),))
    limit = _measured(one, source)
    one.memory.append(one.state, target, content._replace(extent=limit or content.extent, verbatim=False))
    return target


def _end_of_rest(one: Call, target: int, size: int) -> int | None:
    """Where a text ends at the most that is gone on with for what its length leaves of a room:
    `strncat(line, more, sizeof line - strlen(line) - 1)`.
    """
    parts, constant = one.terms.linear(size)
    used = [term for term, factor in parts.items() if factor == -1 and _is_length(one.terms.nodes[term], target)]
    return constant + 1 if len(parts) == len(used) == 1 and 0 <= constant < _MAX_COPY else None


def _is_length(node: tuple[Any, ...], text: int) -> bool:
    return bool(node[0] == RESULT and node[2] == "strlen" and node[3][:1] == (text,))


def block_copy(caller: Caller, state: State, target: int, source: int, size: int, whole: bool) -> None:
    """memcpy that the compiler wrote out; `whole` when not only the part of it that is made of words."""
    _copy_block(Call(caller, state, "memcpy", [0, 1, 2]), target, source, size, whole)


def block_fill(caller: Caller, state: State, target: int, size: int) -> None:
    """memset to zero that the compiler wrote out."""
    _fill_block(Call(caller, state, "memset", [0, 1]), target, caller.terms.value(size))


def _block(one: Call) -> int:
    return _copy_block(one, one.nth(0), one.nth(1), one.nth(2))


def _copy_block(one: Call, target: int, source: int, size: int, whole: bool = True) -> int:
    length = one.terms.value(size)
    content = one.text(source)
    if whole or length is not None:
        one.caller.overrun(one.state, one.name, target, content, size, ((source, None),))
    sources = one.terms.places(source)
    saved = _snapshot(one, sources[0], length) if len(sources) == 1 else []
    lacks = one.caller.ends.pieces.between(one.state, source, size) if content.deps and length is None else 0
    if lacks:
        content = content._replace(deps=kept(content.deps, quoting.kept(lacks)), verbatim=False)
    verbatim = content.verbatim or (not content.deps and not content.template)
    verbatim = verbatim and not _is_within(one, source, size)
    if content.deps or not saved:
        most = length if length is not None else one.caller.limit(one.state, size)
        if most == _BYTE and one.room(size) != -1:
            most = None  # a narrow number: what it is at most its caller may know better
        extent = most if most is not None and most < _MAX_COPY else length or 0
        placed = one.memory.placed(one.state, target, content)
        room = one.room(size) if not extent else -1
        one.write(target, placed._replace(extent=extent, verbatim=verbatim, room=room), sized=bool(length))
    if not content.deps and content.template and length:
        one.memory.emitted(one.state, target, content.template[:length])
    for offset, bytes_, value in saved:
        letter = bytes_ == 1 and one.terms.value(value) is None  # what text it is a letter of is copied as a text
        one.memory.store(one.state, one.terms.add(target, offset), value, bytes_, told=letter)
    if len(sources) == 1:
        for offset, text in one.memory.inside(one.state, sources[0], length or 0):
            one.write(one.terms.add(target, offset), text)
    if whole and content.deps:
        duplicates.made(one.terms, one.state, target, source, size)
    return target


def _is_within(one: Call, text: int, size: int) -> bool:
    """Whether no more than a text is copied, by its length: `memcpy(out, text, strlen(text) < room ? ...)`."""
    base, more = one.terms.based(size)
    longest = {base: more} | {fact[2]: fact[3] + more for fact in one.state.facts if fact[:2] == ("most", base)}
    return any(most <= 1 and _is_length(one.terms.nodes[length], text) for length, most in longest.items())


def _snapshot(one: Call, source: Location, length: int | None) -> list[tuple[int, int, int]]:
    root, start, stride = source
    if stride:
        return []
    end = start + (length if length is not None else 256)
    return [
        (key[1] - start, *one.state.words[key])
        for key in one.state.words.of(root)
        if not key[2] and start <= key[1] < end
    ][:64]


def _fill(one: Call) -> int:
    if one.name == "memset" and one.terms.value(one.arg(1)) == 1:
        one.memory.store(one.state, one.nth(0), one.terms.const(1), 1)  # part of a table of flags
        return one.nth(0)
    return _fill_block(one, one.nth(0), one.size(one.number(1)))


def _fill_block(one: Call, target: int, size: int | None) -> int:
    one.memory.whole_object(target, size)
    for root, offset, stride in one.terms.places(target)[:2]:
        if not stride and size and len(one.terms.places(target)) == 1:
            one.memory._clear(one.state, (root, offset, 0), size)
            if one.terms.nodes[root][0] != CONST and one.terms.nodes[root][0] != HEAP:
                one.state.texts[(root, offset, 0)] = EMPTY
    return target


def _dup(one: Call) -> int:
    content = one.text(one.nth(0))
    heap = one.terms.make((HEAP, one.caller.spot))
    one.memory.born(one.state, heap)
    one.memory.keys.copies.add(heap)
    one.write(heap, content._replace(extent=one.size(one.number(1)) or 0, verbatim=False, grown=False))
    count = duplicates.TO_END if one.number(1) < 0 else one.nth(1)
    if content.deps:
        duplicates.made(one.terms, one.state, heap, one.nth(0), count)
    return heap


def _alloc(one: Call) -> int:
    heap = one.terms.make((HEAP, one.caller.spot))
    size = one.nth(0)
    if one.number(1) >= 0:
        left, right = one.terms.value(size), one.terms.value(one.nth(1))
        size = (
            one.terms.const(left * right)
            if left is not None and right is not None
            else one.terms.make((OP, MUL, size, one.nth(1)), size, one.nth(1))
        )
    one.caller.note(("alloc", heap, size))
    one.memory.born(one.state, heap)
    return heap


def _free(one: Call) -> int:
    pointer = one.nth(0)
    drop(one.terms, one.state, pointer)
    if one.terms.nodes[pointer][0] == PARAM:
        one.caller.note(("freed", one.terms.nodes[pointer][1]))
    return one.result(0)


def _realloc(one: Call) -> int:
    heap = one.terms.make((HEAP, one.caller.spot))
    old = [term for term in one.terms.flat(one.nth(0)) if one.terms.value(term) is None]
    return one.terms.merge({heap, *old}) if old else heap


ACTIONS: Actions = {
    "copy": _copy,
    "copy_end": _copy_end,
    "append": _append,
    "block": _block,
    "fill": _fill,
    "dup": _dup,
    "alloc": _alloc,
    "free": _free,
    "realloc": _realloc,
}
