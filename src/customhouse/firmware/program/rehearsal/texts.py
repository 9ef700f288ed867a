"""<string.h> and <strings.h>: texts measured, copied and cut, and by which names functions are called."""

from functools import cache

from . import comparing
from .calls import Answer, Call
from .comparing import bounded, span, text_within

_MOVED = """
__sprintf_chk __snprintf_chk __vsprintf_chk __vsnprintf_chk __asprintf_chk __vasprintf_chk
__printf_chk __fprintf_chk __vprintf_chk __vfprintf_chk __dprintf_chk __vdprintf_chk __syslog_chk __vsyslog_chk
__recv_chk __recvfrom_chk __fgets_chk __fgets_unlocked_chk __fread_chk __fread_unlocked_chk
"""
MOVED = frozenset(_MOVED.split())
"""Fortified functions whose arguments stand elsewhere: they keep their names."""
_INNER = """
strdup strndup strtok_r stpcpy stpncpy mempcpy memccpy memchr rawmemchr strchrnul bzero strcasecmp strncasecmp
strcasestr strnlen bcmp explicit_bzero snprintf vsnprintf asprintf sprintf vsprintf vasprintf sscanf vsscanf vfscanf
fprintf vfprintf printf strtol strtoul strtoll strtoull toascii isascii tolower toupper
"""
_UNDERSCORED = frozenset(f"__{one}" for one in _INNER.split())
"""Names under which libraries know functions themselves, and headers use them."""
_STANDARDS = ("__isoc99_", "__isoc23_")
_OTHERS = {
    "__strsep_g": "strsep",
    "__strtol_internal": "strtol",
    "__strtoul_internal": "strtoul",
    "__strtoll_internal": "strtoll",
    "__strtoull_internal": "strtoull",
    "__strtod_internal": "strtod",
}


@cache
def plain(name: str) -> str:
    """The name under which a function is answered, of the variants that take the same arguments. Those in `MOVED` take
    others, and keep theirs.
    """
    if name in MOVED or name in _OTHERS:
        return _OTHERS.get(name, name)
    for standard in _STANDARDS:
        if name.startswith(standard):
            return name.removeprefix(standard)
    if name.endswith("_chk") and name.startswith("__"):
        name = name.removeprefix("__").removesuffix("_chk")
    if name in _UNDERSCORED:
        name = name.removeprefix("__")
    return name.removesuffix("_unlocked")


def _copy(call: Call) -> int:
    call.ram.write(call.number(0), call.ram.read(call.number(1), bounded(call.number(2))))
    return call.number(0)


def _copy_back(call: Call) -> None:
    call.ram.write(call.number(1), call.ram.read(call.number(0), bounded(call.number(2))))


def _copy_until(call: Call) -> int:
    """memccpy: up to a byte, with it."""
    target, size = call.number(0), bounded(call.number(3))
    data = call.ram.read(call.number(1), size)
    end = data.find(call.number(2) & 0xFF)
    call.ram.write(target, data if end < 0 else data[: end + 1])
    return target + end + 1 if end >= 0 else 0


def _fill(call: Call) -> int:
    call.ram.write(call.number(0), bytes((call.number(1) & 0xFF,)) * bounded(call.number(2)))
    return call.number(0)


def _clear(call: Call) -> None:
    call.ram.write(call.number(0), bytes(bounded(call.number(1))))


def _copy_text(call: Call) -> int:
    """stpcpy: where the copy ends."""
    text = call.text(1)
    call.ram.write(call.number(0), text + b"\0")
    return call.number(0) + len(text)


def _copy_some_text(call: Call) -> int:
    """stpncpy: filled up with NULs, and without one where nothing is left for it."""
    size = bounded(call.number(2))
    text = text_within(call.ram, call.number(1), size)
    call.ram.write(call.number(0), text.ljust(size, b"\0"))
    return call.number(0) + len(text)


def _copy_cut_text(call: Call) -> int:
    """strlcpy: how long the whole text is."""
    text, size = call.text(1), call.number(2)
    if size:
        call.ram.write(call.number(0), text[: size - 1] + b"\0")
    return len(text)


def _append(call: Call) -> int:
    call.ram.write(call.number(0) + len(call.text(0)), call.text(1) + b"\0")
    return call.number(0)


def _append_some(call: Call) -> int:
    more = text_within(call.ram, call.number(1), call.number(2))
    call.ram.write(call.number(0) + len(call.text(0)), more + b"\0")
    return call.number(0)


def _append_cut(call: Call) -> int:
    """strlcat: how long the whole text is."""
    size, more = call.number(2), call.text(1)
    first = len(text_within(call.ram, call.number(0), size))
    if first < size:
        call.ram.write(call.number(0) + first, more[: size - first - 1] + b"\0")
    return first + len(more)


def _first(answer: Answer) -> Answer:
    """The same, but with where the copy begins for a result."""

    def made(call: Call) -> int:
        answer(call)
        return call.number(0)

    return made


def _behind(call: Call) -> int:
    """mempcpy."""
    return _copy(call) + call.number(2)


def duplicate(call: Call, data: bytes) -> int:
    """A text in new memory; 0 where there is none left."""
    made = int(call.host.allocate(len(data) + 1))
    if made:
        call.ram.write(made, data + b"\0")
    return made


def _next_token(call: Call, text: bytes, at: int, letters: bytes) -> tuple[int, int]:
    """Where the next token lies that letters part, and where to go on; 0 for none."""
    start = span(text, lambda one: one in letters)
    if start == len(text):
        return 0, at + len(text)
    size = span(text[start:], lambda one: one not in letters)
    end = start + size
    if end == len(text):
        call.compared("find", text, comparing.separator(letters))
        return at + start, at + end
    call.ram.store(at + end, 0, 1)
    return at + start, at + end + 1


def _token(call: Call) -> int:
    at = call.number(0) or call.host.kept.get("strtok", 0)
    if not at:
        return 0
    token, call.host.kept["strtok"] = _next_token(call, call.text_at(at), at, call.text(1))
    return token


def _token_kept(call: Call) -> int:
    """strtok_r."""
    kept = call.number(2)
    at = call.number(0) or call.ram.word(kept)
    if not at:
        return 0
    token, further = _next_token(call, call.text_at(at), at, call.text(1))
    call.ram.store(kept, further, call.word_size)
    return token


def _separate(call: Call) -> int:
    """strsep: empty parts are parts."""
    kept, letters = call.number(0), call.text(1)
    at = call.ram.word(kept)
    if not at:
        return 0
    text = call.text_at(at)
    size = span(text, lambda one: one not in letters)
    if size < len(text):
        call.ram.store(at + size, 0, 1)
    else:
        call.compared("find", text, comparing.separator(letters))
    call.ram.store(kept, at + size + 1 if size < len(text) else 0, call.word_size)
    return at


def _named(word: str) -> Answer:
    """A text that says a number by a word in front of it."""
    return lambda call: int(call.host.constant(f"{word} {call.int32(0)}".encode()))


def _error_into(call: Call) -> int:
    """strerror_r, as glibc has it: the result is the text."""
    size = bounded(call.number(2))
    if size:
        call.ram.write(call.number(1), f"Error {call.int32(0)}".encode()[: size - 1] + b"\0")
    return call.number(1)


def _error_into_standard(call: Call) -> int:
    _error_into(call)
    return 0


ANSWERS: dict[str, Answer] = {
    **comparing.ANSWERS,
    "strlen": lambda call: len(call.text(0)),
    "strnlen": lambda call: len(text_within(call.ram, call.number(0), call.number(1))),
    "memcpy": _copy,
    "memmove": _copy,
    "mempcpy": _behind,
    "memccpy": _copy_until,
    "bcopy": _copy_back,
    "memset": _fill,
    "bzero": _clear,
    "explicit_bzero": _clear,
    "strcpy": _first(_copy_text),
    "stpcpy": _copy_text,
    "strncpy": _first(_copy_some_text),
    "stpncpy": _copy_some_text,
    "strlcpy": _copy_cut_text,
    "strcat": _append,
    "strncat": _append_some,
    "strlcat": _append_cut,
    "strdup": lambda call: duplicate(call, call.text(0)),
    "strndup": lambda call: duplicate(call, text_within(call.ram, call.number(0), call.number(1))),
    "strtok": _token,
    "strtok_r": _token_kept,
    "strsep": _separate,
    "strerror": _named("Error"),
    "strsignal": _named("Signal"),
    "strerror_r": lambda call: _error_into_standard(call) if call.ram.image.musl else _error_into(call),
    "__xpg_strerror_r": _error_into_standard,
}
