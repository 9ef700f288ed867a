"""Texts made into numbers, and the rest of what <stdlib.h> computes."""

from collections.abc import Callable
from functools import cmp_to_key

from . import addresses
from .calls import Answer, Call, signed
from .comparing import bounded
from .numerals import clamped, integer, real

_RANGE = 34
"""ERANGE."""
_RANDOM = 0x7FFFFFFF


def _strto(with_sign: bool, wide: bool) -> Answer:
    """strtol and its like. `wide` numbers have 64 bits on any machine."""

    def answer(call: Call) -> int | None:
        text, base = call.text(0), call.int32(2)
        found = integer(text, base)
        bits = 64 if wide else 8 * call.word_size
        value = clamped(found.value, bits, with_sign)
        if value not in (found.value, found.value + (1 << bits)):
            call.ram.store(call.host.errno(), _RANGE, 4)
        _told(call, text, value, found.used)
        return _given(call, value, bits)

    return answer


def _told(call: Call, text: bytes, value: float, used: int) -> None:
    """Store where the number ended, where that is asked for, and say what was read."""
    if call.number(1):
        call.ram.store(call.number(1), call.number(0) + used, call.word_size)
    call.compared("number", text, str(value).encode())


def _given(call: Call, value: int, bits: int) -> int | None:
    if bits > 8 * call.word_size:
        call.host.give_wide(value)
        return None
    return value & call.ram.mask


def _ato(wide: bool, bits: int) -> Answer:
    """atoi and its like: `bits` are those of the result, 0 for a machine word."""

    def answer(call: Call) -> int | None:
        text = call.text(0)
        value = clamped(integer(text, 10).value, 64 if wide else 8 * call.word_size, True)
        value = signed(value, bits or 8 * call.word_size)
        call.compared("number", text, str(value).encode())
        return _given(call, value, bits)

    return answer


def _strtod(call: Call) -> None:
    text = call.text(0)
    value, used = real(text)
    _told(call, text, value, used)
    call.host.give_double(value)


def _atof(call: Call) -> None:
    text = call.text(0)
    value, _ = real(text)
    call.compared("number", text, str(value).encode())
    call.host.give_double(value)


def _swapped(size: int) -> Answer:
    """A number between the order of the machine and that of the network."""

    def answer(call: Call) -> int:
        raw = (call.number(0) & (1 << 8 * size) - 1).to_bytes(size, "big")
        return int.from_bytes(raw, call.ram.order)

    return answer


def _absolute_wide(call: Call) -> int | None:
    value = call.signed(0) if call.word_size == 8 else signed(call.rest(0).wide(), 64)
    return _given(call, abs(value), 64)


def _seed(call: Call) -> None:
    call.host.kept["random"] = call.number(0) & _RANDOM


def _random(call: Call) -> int:
    found = next_random(call.host.kept.get("random", 1))
    call.host.kept["random"] = found
    return found


def _random_kept(call: Call) -> int:
    found = next_random(call.ram.load(call.number(0), 4))
    call.ram.store(call.number(0), found, 4)
    return found


def next_random(state: int) -> int:
    """Numbers in a row that look like no row, the same in each run."""
    return (state * 1103515245 + 12345) & _RANDOM


def _by(call: Call, function: int) -> Callable[[int, int], int]:
    return lambda left, right: signed(call.invoke(function, left, right), 32)


def _sort(call: Call) -> None:
    """qsort. The elements stay where they are until all is compared."""
    at, count, size = call.number(0), call.number(1), call.number(2)
    if bounded(count) * size:
        bounded(count * size)
        places = sorted(range(at, at + count * size, size), key=cmp_to_key(_by(call, call.number(3))))
        call.ram.write(at, b"".join([call.ram.read(one, size) for one in places]))


def _search(call: Call) -> int:
    """bsearch."""
    key, at, count, size = (call.number(index) for index in range(4))
    compare = _by(call, call.number(4))
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        order = compare(key, at + middle * size)
        if order == 0:
            return at + middle * size
        low, high = (low, middle) if order < 0 else (middle + 1, high)
    return 0


ANSWERS: dict[str, Answer] = {
    **addresses.ANSWERS,
    "atoi": _ato(wide=False, bits=32),
    "atol": _ato(wide=False, bits=0),
    "atoll": _ato(wide=True, bits=64),
    "atof": _atof,
    "strtol": _strto(with_sign=True, wide=False),
    "strtoul": _strto(with_sign=False, wide=False),
    "strtod": _strtod,
    **dict.fromkeys(("strtoll", "strtoimax", "strtoq"), _strto(with_sign=True, wide=True)),
    **dict.fromkeys(("strtoull", "strtoumax", "strtouq"), _strto(with_sign=False, wide=True)),
    "abs": lambda call: abs(call.int32(0)),
    "labs": lambda call: abs(call.signed(0)),
    **dict.fromkeys(("llabs", "imaxabs"), _absolute_wide),
    "htons": _swapped(2),
    "ntohs": _swapped(2),
    "htonl": _swapped(4),
    "ntohl": _swapped(4),
    "rand": _random,
    "random": _random,
    "rand_r": _random_kept,
    "srand": _seed,
    "srandom": _seed,
    "qsort": _sort,
    "bsearch": _search,
}
