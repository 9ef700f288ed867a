"""Models of sockets and descriptors, of functions that are called back, and of what only passes a value on."""

from ..terms import STACK
from .called import Actions, Call
from .commands import STANDARD_INPUT

_LARGEST_ENTRY = 1 << 16
"""Bytes of one entry of a table."""
_ENTRY, _HAPPENED, _ENTRIES = 8, 6, 8
"""Bytes of one entry of poll, where in it the events are that came, and entries that are looked at."""
_CLOSED = "closed input"


def _bind(one: Call) -> int:
    address = one.nth(1)
    family = one.memory.load(one.state, address, 2)
    port = one.memory.load(one.state, one.terms.add(address, 2), 2)
    one.caller.note(("bind", one.caller.site, port, one.nth(0), family))
    return one.result(1)


def _swap(one: Call) -> int:
    value = one.terms.value(one.nth(0))
    size = one.numbers[1]
    if one.memory.image.big:
        return one.nth(0)
    if value is not None:
        return one.terms.const(int.from_bytes((value & ((1 << (8 * size)) - 1)).to_bytes(size, "big"), "little"))
    return one.terms.result("swap", f"swap{size}", (one.nth(0),))


def _service(one: Call) -> int:
    """getaddrinfo: the service string is the port."""
    kind = one.memory.load(one.state, one.terms.add(one.nth(2), 8), 4)  # ai_socktype of the hints
    service = one.text(one.nth(1))
    one.caller.note(("service", one.caller.site, one.nth(1), service, kind))
    one.memory.forget(one.state, one.arg(3), one.terms.word)
    return one.result(2)


def _watch(one: Call) -> int:
    """poll: what happened is written into each of so many entries, beside the descriptor and what is asked of it."""
    count = one.terms.value(one.nth(1))
    happened = one.terms.unknown("happened")
    for at in range(_ENTRIES if count is None else min(count, _ENTRIES)):
        spot = one.terms.add(one.nth(0), _ENTRY * at + _HAPPENED)
        if all(one.terms.nodes[root][0] == STACK and not stride for root, _off, stride in one.terms.locate(spot)):
            one.memory.store(one.state, spot, happened, 2)
    return one.result(3)


def _pair(one: Call) -> int:
    for index in range(2):
        end = one.terms.result(one.caller.site, "pipe", (one.terms.const(index),))
        one.memory.store(one.state, one.terms.add(one.nth(0), 4 * index), end, 4)
    return one.result(0)


def _duplicate(one: Call) -> int:
    one.caller.note(("dup2", one.nth(0), one.nth(1)))
    if one.terms.value(one.nth(1)) == 0:
        _stands_for_input(one, one.nth(0))
    return one.nth(1)


def _stands_for_input(one: Call, descriptor: int) -> None:
    one.memory.store(one.state, one.terms.const(STANDARD_INPUT), descriptor, 4)


def _close(one: Call) -> int:
    if one.terms.value(one.nth(0)) == 0:
        _stands_for_input(one, one.terms.unknown(_CLOSED))
    return one.result(1)


def _duplicate_lowest(one: Call) -> int:
    """dup: the lowest number that is free, which is that of the standard input behind `close(0)`."""
    if one.memory.load(one.state, one.terms.const(STANDARD_INPUT), 4) == one.terms.unknown(_CLOSED):
        one.caller.note(("dup2", one.nth(0), one.terms.zero))
        _stands_for_input(one, one.nth(0))
    return _stream(one)


def _terminal(one: Call) -> int:
    """forkpty: what is written to the terminal's other end is the child's standard input."""
    end = one.terms.result(one.caller.site, "pipe", (one.terms.zero,))
    one.memory.store(one.state, one.nth(0), end, 4)
    _stands_for_input(one, end)
    return one.result(0)


def _rename(one: Call) -> int:
    """A file that is written under one name is read under another."""
    old, new = one.text(one.nth(0)), one.text(one.nth(1))
    if not old.deps and not new.deps:
        one.caller.note(("rename", old.template, new.template))
    return one.result(2)


def _stream(one: Call) -> int:
    return one.terms.result(one.caller.site, one.name, (one.nth(0),))


def _attach(one: Call) -> int:
    return one.result(2)


def _timer(one: Call) -> int:
    """timer_create: struct sigevent is value, signal, way of notifying, function."""
    word = one.terms.word
    value = one.memory.load(one.state, one.nth(0), word)
    function = one.memory.load(one.state, one.terms.add(one.nth(0), 8 + word), word)
    one.caller.callback(one.state, function, (value,))
    return one.result(1)


def _callback(one: Call) -> int:
    arguments = tuple(one.arg(index) if index >= 0 else one.terms.unknown("callback") for index in one.numbers[1:])
    one.caller.callback(one.state, one.nth(0), arguments)
    return one.result(1)


def _search(one: Call) -> int:
    """bsearch, lfind: the comparison is called with the key and an entry, and one of the entries is found, or none."""
    key, table, size = (one.arg(index) for index in one.numbers[1:4])
    step = one.terms.value(size)
    if step is None or not 0 < step < _LARGEST_ENTRY:
        one.caller.callback(one.state, one.nth(0), (key, table))
        return one.result(2)
    entry = one.terms.add(table, 0, step)
    one.caller.callback(one.state, one.nth(0), (key, entry))
    return entry


def _handler(one: Call) -> int:
    """sigaction: the handler is the first word of the structure."""
    function = one.memory.load(one.state, one.nth(0), one.terms.word)
    one.caller.callback(one.state, function, ())
    return one.result(1)


def _nothing(one: Call) -> int:
    return one.terms.result(one.caller.site, one.name, ())


def _plain(one: Call) -> int:
    path = one.text(one.arg(0))
    named = one.terms.result("path", path.template if not path.deps else "?")
    return one.terms.result(one.caller.site, one.name, (named,))


ACTIONS: Actions = {
    "bind": _bind,
    "swap": _swap,
    "service": _service,
    "watch": _watch,
    "pair": _pair,
    "duplicate": _duplicate,
    "duplicate_lowest": _duplicate_lowest,
    "close": _close,
    "terminal": _terminal,
    "rename": _rename,
    "stream": _stream,
    "attach": _attach,
    "callback": _callback,
    "search": _search,
    "timer": _timer,
    "handler": _handler,
    "nothing": _nothing,
    "plain": _plain,
}
