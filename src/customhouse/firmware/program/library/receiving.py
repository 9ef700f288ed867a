"""Models of where bytes come from outside: the recv family, lines, the environment, and stores of values by a key."""

from .. import fold
from ..lift import MUL
from ..state import Content
from ..terms import GLOBAL, HEAP
from .called import Actions, Call

_ITEMS = frozenset(("fread", "fread_unlocked", "__fread_chk"))


def _receive(one: Call) -> int:
    descriptor = one.nth(0) if one.number(0) >= 0 else one.terms.unknown("stdin")
    size = one.nth(2) if one.number(2) >= 0 else None
    source = one.terms.result(one.caller.site, one.name, (descriptor,))
    limit = one.size(one.number(2))
    if one.name in _ITEMS:
        count = one.arg(one.number(2) + 1)
        span = one.caller.range_of(one.state, count)
        limit = limit * span[1] if limit and span and 0 < span[1] < 1 << 20 else None
        size = _product(one, count, one.nth(2))
    content = Content(frozenset({("X", source, 0, 0, False)}), "%s", limit or 0)
    one.caller.overrun(one.state, one.name, one.nth(1), content, size)
    whole = one.terms.reach(one.nth(1), size) if size is not None else None
    if whole is not None:
        for spot in one.terms.locate(whole[0])[:4]:
            one.memory.write_text(one.state, spot, content._replace(extent=whole[1]), weak=True, sized=True)
    else:
        room = _asked(one, one.nth(1), size) if size is not None and not limit else -1
        one.write(one.nth(1), content._replace(room=room), sized=bool(limit))
    for root, offset, _stride in one.terms.locate(one.nth(1))[:4]:
        if root == GLOBAL:
            one.caller.note(("input", offset))
    if not limit and size is not None and whole is not None:
        limit = one.caller.limit(one.state, size)
    if limit:
        one.caller.note(("limit", source, limit))
    if one.name in ("fgets", "__fgets_chk", "fgets_unlocked", "gets"):
        return one.nth(1)
    if limit:
        one.state.ranges[source] = (-1, limit)
    return source


def _asked(one: Call, target: int, size: int) -> int:
    """The number of bytes that a caller asks for, also when they are received piece by piece; -1 when there is none."""
    whole = one.caller.whole_copy(one.state, target, size)
    return one.room(whole.size) if whole.moving is None else -1


def _product(one: Call, count: int, item: int) -> int:
    """The bytes of so many items."""
    return fold.binary(
        one.terms, MUL, *((count, item) if one.terms.value(count) is None else (item, count)), one.terms.word
    )


def _receive_vector(one: Call) -> int:
    """recvmsg: msg_iov is the third pointer of struct msghdr (after name and its length)."""
    word = one.terms.word
    vector = one.memory.load(one.state, one.terms.add(one.nth(1), 2 * word), word)
    return _fill_list(one, vector)


def _receive_list(one: Call) -> int:
    return _fill_list(one, one.nth(1))


def _fill_list(one: Call, vector: int) -> int:
    """The first buffers of an array of `struct iovec` (address, length)."""
    word = one.terms.word
    source = one.terms.result(one.caller.site, one.name, (one.nth(0),))
    for index in range(2):
        place = one.terms.add(vector, index * 2 * word)
        target = one.memory.load(one.state, place, word)
        if index == 0 or one.memory.is_pointer(target):
            span = one.caller.range_of(one.state, one.memory.load(one.state, one.terms.add(place, word), word))
            limit = span[1] if span is not None and 0 < span[1] < 1 << 24 else 0
            one.write(target, Content(frozenset({("X", source, 0, 0, False)}), "%s", limit))
    return source


def _receive_line(one: Call) -> int:
    source = one.terms.result(one.caller.site, one.name, (one.nth(0),))
    heap = one.terms.make((HEAP, one.caller.site))
    one.write(heap, Content(frozenset({("X", source, 0, 0, False)}), "%s"))
    one.memory.store(one.state, one.nth(1), heap, one.terms.word)
    return source


def _outside(one: Call) -> int:
    key = one.text(one.nth(0))
    named = one.terms.result("key", key.template if not key.deps else "?")
    return one.terms.result(one.caller.site, one.name, (named,))


def _given(one: Call) -> int:
    """A function of the image's own library that fills its argument with request data."""
    source = one.terms.result(one.caller.site, one.name, ())
    one.write(one.nth(0), Content(frozenset({("X", source, 0, 0, False)}), "%s"))
    return source


def _put(one: Call) -> int:
    key, value = one.text(one.nth(0)), one.text(one.nth(1))
    if value.deps:
        one.caller.note(("put", one.name, key.template if not key.deps else "?", value))
    return one.result(1)


def _get(one: Call) -> int:
    key = one.text(one.nth(0))
    return one.terms.result("store", key.template if not key.deps else "?")


ACTIONS: Actions = {
    "receive": _receive,
    "receive_vector": _receive_vector,
    "receive_list": _receive_list,
    "receive_line": _receive_line,
    "outside": _outside,
    "given": _given,
    "put": _put,
    "get": _get,
}
