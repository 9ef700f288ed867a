"""Waiting for descriptors: select, poll, epoll and timers that are descriptors."""

from collections.abc import Callable

from .calls import Answer, Call
from .codes import code, failed
from .descriptors import new, opened
from .world import Open

_IN, _OUT, _HANG_UP, _INVALID, _PEER_GONE = 1, 4, 0x10, 0x20, 0x2000
_EDGE, _ONCE = 1 << 31, 1 << 30
_ABSOLUTE = 1
_MOST = 256
_DELETE = 2


def timeval(call: Call, at: int, parts: int) -> float | None:
    """Seconds of a `struct timeval` or `timespec`; None for no limit."""
    if not at:
        return None
    return call.ram.word(at) + call.ram.word(at + call.word_size) / parts


def _heard(call: Call) -> Callable[[int], bool]:
    """Which descriptors of the process at hand have something to be read, whoever's turn it is."""
    table, world = call.host.thread.process.open, call.host.world
    return lambda number: number in table and bool(world.can_hear(table[number]))


def _soonest(call: Call, numbers: list[int]) -> float | None:
    """When a timer among the descriptors rings, or a peer hangs up."""
    table, clock = call.host.thread.process.open, call.host.world.clock
    found = [table[one] for one in numbers if one in table]
    times = [one.due for one in found if one.due is not None]
    times += [one.over for one in found if one.kind == "connection" and one.over is not None and one.over > clock]
    return min(times, default=None)


# -- select
def _select(call: Call) -> int:
    count = min(call.number(0), 1024)
    reads, writes, others = call.number(1), call.number(2), call.number(3)
    wanted = _members(call, reads, count)
    written = [one for one in _members(call, writes, count) if one in call.host.thread.process.open]
    is_ready = _heard(call)
    limit = timeval(call, call.number(4), 1_000_000_000 if call.name == "pselect" else 1_000_000)
    call.host.wait(limit, lambda: bool(written) or any(map(is_ready, wanted)), _soonest(call, wanted))
    ready = [one for one in wanted if is_ready(one)]
    for one in wanted:
        if one not in ready:
            _clear(call, reads, one)
    for one in _members(call, others, count):
        _clear(call, others, one)
    return len(ready) + len(written)


def _members(call: Call, at: int, count: int) -> list[int]:
    return [one for one in range(count) if _has(call, at, one)] if at else []


def _place(call: Call, number: int) -> tuple[int, int]:
    """Byte and bit of a descriptor in a set, which is made of machine words."""
    word = call.word_size
    within = number % (8 * word)
    byte = within // 8 if call.ram.order == "little" else word - 1 - within // 8
    return number // (8 * word) * word + byte, 1 << within % 8


def _has(call: Call, at: int, number: int) -> bool:
    byte, bit = _place(call, number)
    return bool(call.ram.load(at + byte, 1) & bit)


def _clear(call: Call, at: int, number: int) -> None:
    byte, bit = _place(call, number)
    call.ram.store(at + byte, call.ram.load(at + byte, 1) & ~bit, 1)


# -- poll
def _poll(call: Call) -> int:
    at, count = call.number(0), min(call.number(1), _MOST)
    asked = [(place, _number(call, place), call.ram.load(place + 4, 2)) for place in range(at, at + 8 * count, 8)]
    limit = None if call.int32(2) < 0 else call.int32(2) / 1000
    if call.name == "ppoll":
        limit = timeval(call, call.number(2), 1_000_000_000)
    events = _happened(call)
    soonest = _soonest(call, [number for _, number, _ in asked])
    call.host.wait(limit, lambda: any(events(number, wanted) for _, number, wanted in asked), soonest)
    found = 0
    for place, number, wanted in asked:
        given = events(number, wanted)
        call.ram.store(place + 6, given, 2)
        found += bool(given)
    return found


def _number(call: Call, at: int) -> int:
    raw = call.ram.load(at, 4)
    return raw - (raw >> 31 << 32)


def _happened(call: Call) -> Callable[[int, int], int]:
    """What happened at a descriptor, of the events that are asked for."""
    table, clock = call.host.thread.process.open, call.host.world
    is_ready = _heard(call)

    def answer(number: int, wanted: int) -> int:
        one = table.get(number)
        if one is None:
            return _INVALID if number >= 0 else 0
        gone = one.kind == "connection" and not one.data and one.over is not None and clock.clock >= one.over
        shut = one.kind == "pair" and not one.data and one.peer is not None and one.peer.holders <= 0
        reads = wanted & _IN if is_ready(number) else 0
        writes = wanted & _OUT if one.kind not in ("listening", "timer") else 0
        return reads | writes | (wanted & _PEER_GONE if gone else 0) | (_HANG_UP if shut else 0)

    return answer


# -- epoll
def _epoll(call: Call) -> int:
    return new(call, Open("silent"))


def _epoll_control(call: Call) -> int:
    one, number = opened(call, call.int32(0)), call.int32(2)
    if one is None:
        return failed(call, "EBADF")
    if call.number(1) == _DELETE:
        one.watched.pop(number, None)
    else:
        at = call.number(3)
        one.watched[number] = (call.ram.load(at, 4), call.ram.read(at + _layout(call)[1], 8))
    return 0


def _layout(call: Call) -> tuple[int, int]:
    """Size of a `struct epoll_event`, and where its data lies."""
    return (12, 4) if call.architecture in ("x86_64", "i386") else (16, 8)


def _epoll_wait(call: Call) -> int:
    epoll, most = opened(call, call.int32(0)), call.int32(2)
    if epoll is None:
        return failed(call, "EBADF")
    limit = None if call.int32(3) < 0 else call.int32(3) / 1000
    events = _happened(call)

    def ready() -> list[tuple[int, int]]:
        found = [(one, events(one, wanted)) for one, (wanted, _) in epoll.watched.items()]
        return [(one, given) for one, given in found if given]

    call.host.wait(limit, lambda: bool(ready()), _soonest(call, list(epoll.watched)))
    size, offset = _layout(call)
    told = ready()[:most]
    for index, (one, given) in enumerate(told):
        at = call.number(1) + size * index
        wanted, data = epoll.watched[one]
        call.ram.store(at, given, 4)
        call.ram.write(at + offset, data)
        epoll.watched[one] = (_left(wanted, given), data)
    return len(told)


def _left(wanted: int, given: int) -> int:
    """The events that are still waited for when some were told."""
    if wanted & _ONCE:
        return 0
    return wanted & ~(given & _OUT) if wanted & _EDGE else wanted


# -- timers
def _waits(call: Call) -> bool:
    """Whether the flags that a timer is made with let calls wait."""
    return not call.number(1) & code(call, "O_NONBLOCK")


def _set_timer(call: Call) -> int:
    """timerfd_settime"""
    one, clock = opened(call, call.int32(0)), call.host.world.clock
    if one is None:
        return failed(call, "EBADF")
    seconds = timeval(call, call.number(2) + 2 * call.word_size, 1_000_000_000)
    one.every = timeval(call, call.number(2), 1_000_000_000) or 0.0
    one.due = (seconds if call.number(1) & _ABSOLUTE else clock + seconds) if seconds else None
    return 0


ANSWERS: dict[str, Answer] = {
    **dict.fromkeys(("select", "pselect"), _select),
    "__fdelt_chk": lambda call: call.number(0) // (8 * call.word_size),
    **dict.fromkeys(("poll", "ppoll"), _poll),
    **dict.fromkeys(("epoll_create", "epoll_create1", "signalfd", "inotify_init", "inotify_init1"), _epoll),
    "epoll_ctl": _epoll_control,
    **dict.fromkeys(("epoll_wait", "epoll_pwait"), _epoll_wait),
    "eventfd": lambda call: new(call, Open("event", at=call.int32(0), waits=_waits(call))),
    "timerfd_create": lambda call: new(call, Open("timer", waits=_waits(call))),
    "timerfd_settime": _set_timer,
}
