"""Texts and bytes compared, and looked for in others. What was compared is told, as is what was not found."""

from collections.abc import Callable

from ..ram import Fault, Ram
from .calls import LONGEST, Answer, Call

MOST = 1 << 20
"""Bytes that are copied or compared at once."""


def bounded(size: int) -> int:
    """A size, where it is one that a program can mean."""
    if size > MOST:
        raise Fault(f"{size} bytes at once")
    return size


def text_within(ram: Ram, address: int, size: int) -> bytes:
    """The bytes up to a NUL, but not more than `size`; what lies behind them is not read."""
    out = bytearray()
    while len(out) < size:
        page = ram.read(address + len(out), min(size - len(out), 4096 - (address + len(out) & 4095)))
        end = page.find(b"\0")
        if end >= 0:
            return bytes(out + page[:end])
        out += page
        if len(out) > LONGEST:
            raise Fault(f"no end of a text at {address:#x}")
    return bytes(out)


def _sign(call: Call, left: bytes, right: bytes) -> int:
    return ((left > right) - (left < right)) & call.ram.mask


def _compare(call: Call) -> int:
    left, right = call.text(0), call.text(1)
    call.compared("text", left, right)
    return _sign(call, left, right)


def _compare_some(call: Call) -> int:
    left, right = _two(call)
    call.compared("prefix", left, right)
    return _sign(call, left, right)


def _compare_case(call: Call) -> int:
    left, right = call.text(0), call.text(1)
    call.compared("case", left, right)
    return _sign(call, left.lower(), right.lower())


def _compare_some_case(call: Call) -> int:
    left, right = _two(call)
    call.compared("case prefix", left, right)
    return _sign(call, left.lower(), right.lower())


def _compare_bytes(call: Call) -> int:
    size = bounded(call.number(2))
    left, right = call.ram.read(call.number(0), size), call.ram.read(call.number(1), size)
    call.compared("prefix", left, right)
    return _sign(call, left, right)


def _two(call: Call) -> tuple[bytes, bytes]:
    """Two texts, as far as the third argument lets them be read."""
    size = call.number(2)
    return text_within(call.ram, call.number(0), size), text_within(call.ram, call.number(1), size)


def _found(call: Call, at: int, hay: bytes, needle: bytes) -> int:
    """Where something was found; that it was not is told."""
    if at >= 0:
        return call.number(0) + at
    call.compared("find", hay, needle)
    return 0


def _letter(call: Call) -> bytes:
    return bytes((call.number(1) & 0xFF,))


def _find_letter(call: Call) -> int:
    text, letter = call.text(0), _letter(call)
    return _found(call, (text + b"\0").find(letter), text, letter)


def _find_last_letter(call: Call) -> int:
    text, letter = call.text(0), _letter(call)
    return _found(call, (text + b"\0").rfind(letter), text, letter)


def _find_letter_or_end(call: Call) -> int:
    text, letter = call.text(0), _letter(call)
    return (_found(call, (text + b"\0").find(letter), text, letter)) or call.number(0) + len(text)


def _find_byte(call: Call) -> int:
    data, letter = _bytes_until(call, call.number(2)), _letter(call)
    return _found(call, data.find(letter), data, letter)


def _find_last_byte(call: Call) -> int:
    data, letter = call.ram.read(call.number(0), bounded(call.number(2))), _letter(call)
    return _found(call, data.rfind(letter), data, letter)


def _find_byte_for_sure(call: Call) -> int:
    return call.number(0) + len(_bytes_until(call, MOST + 1)) - 1


def _bytes_until(call: Call, size: int) -> bytes:
    """Bytes up to the one that is looked for, with it: those behind it need not exist."""
    out, where, letter = bytearray(), call.number(0), _letter(call)
    while len(out) < size and letter not in out[-4096:]:
        bounded(len(out))
        at = where + len(out)
        out += call.ram.read(at, min(size - len(out), 4096 - (at & 4095)))
    end = out.find(letter)
    return bytes(out if end < 0 else out[: end + 1])


def _find_text(call: Call) -> int:
    text, needle = call.text(0), call.text(1)
    return _found(call, text.find(needle), text, needle)


def _find_text_case(call: Call) -> int:
    text, needle = call.text(0), call.text(1)
    return _found(call, text.lower().find(needle.lower()), text, needle)


def _find_bytes(call: Call) -> int:
    data = call.ram.read(call.number(0), bounded(call.number(1)))
    needle = call.ram.read(call.number(2), bounded(call.number(3)))
    return _found(call, data.find(needle), data, needle)


def _find_any(call: Call) -> int:
    text, letters = call.text(0), call.text(1)
    at = span(text, lambda one: one not in letters)
    return _found(call, at if at < len(text) else -1, text, separator(letters))


def separator(letters: bytes) -> bytes:
    """One of several letters that end a word: one that is seen, if there is any."""
    return bytes(sorted(letters, key=lambda one: one <= 32)[:1])


def span(text: bytes, holds: Callable[[int], bool]) -> int:
    """How many bytes from the first on something holds for."""
    return next((at for at, one in enumerate(text) if not holds(one)), len(text))


def _span_of(call: Call) -> int:
    letters = call.text(1)
    return span(call.text(0), lambda one: one in letters)


def _span_without(call: Call) -> int:
    text, letters = call.text(0), call.text(1)
    size = span(text, lambda one: one not in letters)
    if size == len(text):
        call.compared("find", text, separator(letters))
    return size


ANSWERS: dict[str, Answer] = {
    "strcmp": _compare,
    "strcoll": _compare,
    "strncmp": _compare_some,
    "strcasecmp": _compare_case,
    "strncasecmp": _compare_some_case,
    "memcmp": _compare_bytes,
    "bcmp": _compare_bytes,
    "strchr": _find_letter,
    "index": _find_letter,
    "strchrnul": _find_letter_or_end,
    "strrchr": _find_last_letter,
    "rindex": _find_last_letter,
    "memchr": _find_byte,
    "memrchr": _find_last_byte,
    "rawmemchr": _find_byte_for_sure,
    "strstr": _find_text,
    "strcasestr": _find_text_case,
    "memmem": _find_bytes,
    "strpbrk": _find_any,
    "strspn": _span_of,
    "strcspn": _span_without,
}
