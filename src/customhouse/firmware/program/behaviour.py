"""Names functions of the C library by what they do when they are run on chosen arguments: see `behaviour.toml`."""

from functools import cache
from typing import Any, NamedTuple

from .emulator import CALLBACK
from .process import BUFFERS, BUFFERS_SIZE, STACK, STACK_SIZE, Answer, Process
from .ram import PAGE, Fault
from .tables import table

FIRST = "copy"
"""The probe that every function is asked first."""
_BUFFERS = {letter: BUFFERS + 0x40 + 0x1000 * index for index, letter in enumerate("ABCDEF")}
_LIST = BUFFERS + 0x8000
_LIST_TEXT = BUFFERS + 0x9000
_SEEN = 48
_FEED = b"first\nsecond\n"
_STRING_LIMIT, _LONG_LIMIT = 12_000, 40_000
_MEMORY = frozenset(("brk", "mmap", "mmap2", "munmap", "mremap"))
_EFFECTS = frozenset(("somewhere", "written", "asked", "text", "pointed", "called"))
"""What is expected of functions that may ask the kernel for something."""
_SECOND = ("format", "list_format", "scan", "whole_line")
"""Probes of functions that always look at their second argument."""
_LONG = (
    "format",
    "print",
    "scan",
    "line",
    "stream",
    "items",
    "character",
    "say",
    "complain",
    "put",
    "presentation",
    "address",
    "closing",
)


class Seen(NamedTuple):
    """One probe's outcome: the answer, buffers that changed, as they are now, whether other memory than those and
    the stack was written, and which buffers were looked at.
    """

    answer: Answer
    changed: dict[str, bytes]
    pointed: bytes
    written: bytes
    elsewhere: bool
    touched: frozenset[str]
    text: bytes | None
    """What the result points to, as a text."""
    pages: tuple[bytearray, ...]
    """Memory that was written, but for buffers."""


@cache
def _names() -> dict[str, dict[str, dict[str, Any]]]:
    out: dict[str, dict[str, dict[str, Any]]] = table("behaviour.toml")["name"]
    return out


class Behaviour:
    """Asks one process about its functions. `opener` is a function that gives streams, once one is known."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.ram = process.ram
        self.word = process.image.word
        self.opener = 0
        self._probes: dict[str, dict[str, Any]] = table("behaviour.toml")["probe"]
        self._streams: tuple[int, int] | None = None

    def name(self, function: int, first: Seen, budget: int) -> str | None:
        """The name whose every probe gives what it must."""
        if first.answer.ended == "exit":
            return None  # it looked at something it would not have
        seen: dict[str, Seen | None] = {FIRST: first}
        end = self.process.operations + budget
        asks = any(one.name not in _MEMORY for one in first.answer.asked)
        for name, wanted in _names().items():
            probe, expected = next(iter(wanted.items()))
            if not self._may(first, probe) or (asks and not _EFFECTS & set(expected)):
                continue
            if self._stuck(seen) and not {"stream", "reader"} & set(self._probes[probe]["arguments"]):
                continue
            for probe, expected in wanted.items():
                if probe not in seen:
                    if self.process.operations > end:
                        return None
                    seen[probe] = self.ask(function, probe)
                found = seen[probe]
                if found is None or not self._fits(found, expected, probe):
                    break
            else:
                return name
        return None

    def _stuck(self, seen: dict[str, Seen | None]) -> bool:
        """Whether a function goes astray on numbers and texts: it may still be one that wants a stream."""
        return sum(one is not None and one.answer.ended == "limit" for one in seen.values()) > 2

    def _may(self, first: Seen, probe: str) -> bool:
        """Whether a function that did this at the first probe can be one that looks at these arguments: what needs a
        text or a stream as its first or second argument has looked at it.
        """
        arguments = self._probes[probe]["arguments"]
        if first.answer.ended == "limit":
            return _is_long(probe)
        if first.answer.ended != "return":
            return True
        if arguments[0] in ("A", "B", "C", "stream", "reader") and "A" not in first.touched:
            return False
        if probe in _SECOND and "B" not in first.touched:
            return False
        return not (len(arguments) > 2 and isinstance(arguments[1], int) and arguments[2] in ("B", "stream", "reader"))

    # -- asking
    def ask(self, function: int, probe: str) -> Seen | None:
        """Run one probe; None when its arguments cannot be made."""
        spec = self._probes[probe]
        process = self.process
        process.reset()
        before = {letter: self._place(letter, str(spec.get(letter, ""))) for letter in _BUFFERS}
        arguments = []
        for one in spec["arguments"]:
            value = one if isinstance(one, int) else self._argument(one)
            if value is None:
                return None
            arguments.append(value)
        limit = _LONG_LIMIT if _is_long(probe) else _STRING_LIMIT
        answer = process.call(function, arguments, _FEED, limit)
        changed = {}
        touched = frozenset(letter for letter, address in _BUFFERS.items() if self.ram.was_touched(address))
        for letter in touched:
            now = self.ram.read(_BUFFERS[letter] - 8, _SEEN + 8)
            if now != before[letter]:
                changed[letter] = now[8:]
        pointed = self._pointed(_BUFFERS["A"]) if "A" in changed else b""
        text = self.ram.text(answer.result)
        pages = tuple(page for number, page in self.ram.written.items() if not _is_buffer(number))
        elsewhere = any(not _own(number) for number in self.ram.written)
        return Seen(
            answer, changed, pointed, b"".join(one.data for one in answer.asked), elsewhere, touched, text, pages
        )

    def _place(self, letter: str, text: str) -> bytes:
        address = _BUFFERS[letter]
        raw = text.encode("latin-1")
        if text.startswith("*"):
            raw = _BUFFERS[text[1]].to_bytes(self.word, self.ram.order)
        self.ram.offer(address, bytes(0x40) + raw)
        return bytes(8) + raw.ljust(_SEEN, b"\0")

    def _argument(self, word: str) -> int | None:
        if word in _BUFFERS:
            return _BUFFERS[word]
        if word == "V":
            return self._list()
        return CALLBACK if word == "callback" else self._stream(word == "reader")

    def _list(self) -> int:
        """A va_list of a text and 77, as the platform's calling convention lays it out."""
        ram, word = self.ram, self.word
        ram.write(_LIST_TEXT, b"X;Y\0")
        values = _LIST + 0x100
        ram.store(values, _LIST_TEXT, word)
        ram.store(values + word, 77, word)
        architecture = self.process.image.architecture
        if architecture == "x86_64":
            for at, value, size in ((0, 48, 4), (4, 304, 4), (8, values, 8), (16, values + 64, 8)):
                ram.store(_LIST + at, value, size)
            return _LIST
        if architecture == "arm64":
            for at, value, size in ((0, values, 8), (8, values + 64, 8), (16, values + 64, 8), (24, 0, 4), (28, 0, 4)):
                ram.store(_LIST + at, value, size)
            return _LIST
        return values

    def _stream(self, reading: bool) -> int | None:
        if self.opener:
            self.ram.write(_LIST + 0x200, b"/probe/path\0")
            self.ram.write(_LIST + 0x300, b"r\0" if reading else b"w\0")
            answer = self.process.call(self.opener, [_LIST + 0x200, _LIST + 0x300], b"", 2 * _LONG_LIMIT, child=False)
            return answer.result if answer.ended == "return" and answer.result else None
        if self._streams is None:
            self._streams = self._find_streams()
        return self._streams[0 if reading else 1] or None

    def _find_streams(self) -> tuple[int, int]:
        """stdin, and stdout or stderr, of the GNU C library: what starts with the flags that those have at first."""
        out = [0, 0]
        for segment in self.process.image.segments:
            if not segment.writable:
                continue
            for index, flags in ((1, 0xFBAD2087), (1, 0xFBAD2086), (0, 0xFBAD2088), (1, 0xFBAD2084)):
                at = segment.data.find(flags.to_bytes(4, self.ram.order))
                if at >= 0 and at % self.word == 0:
                    out[index] = segment.start + at
        return out[0], out[1]

    def _pointed(self, place: int) -> bytes:
        try:
            return self.ram.text(self.ram.word(place)) or b""
        except Fault:
            return b""

    # -- judging
    def _fits(self, seen: Seen, expected: dict[str, Any], probe: str) -> bool:
        answer = seen.answer
        if "called" in expected:
            return answer.ended == "callback" and set(answer.callback[1:3]) <= _inside("A")
        if answer.ended != "return" or any(one.name == "execve" for one in answer.asked):
            return False
        if "result" in expected and not self._result(answer.result, expected["result"]):
            return False
        if "asked" in expected:
            return any(one.name == expected["asked"] for one in answer.asked)
        if "written" in expected:
            return str(expected["written"]).encode("latin-1") in seen.written
        if "somewhere" in expected:
            return self._somewhere(expected["somewhere"].encode("latin-1"), seen)
        if "text" in expected and not self._gives(seen, expected["text"].encode("latin-1")):
            return False
        if "pointed" in expected:
            return bool(seen.pointed == expected["pointed"].encode("latin-1"))
        if set(expected) == {"result"} and (answer.asked or seen.elsewhere):
            return False
        return self._buffers(seen, expected, probe)

    def _result(self, value: int, wanted: int | str) -> bool:
        if isinstance(wanted, int):
            return (value ^ wanted) & 0xFFFFFFFF == 0
        if wanted in ("negative", "positive"):
            low = value & 0xFFFFFFFF
            return low != 0 and (low >> 31 == 1) == (wanted == "negative")
        if wanted == "small":
            return value < 4096
        base, _, plus = wanted.partition("+")
        return value == _BUFFERS[base] + int(plus or 0)

    def _gives(self, seen: Seen, text: bytes) -> bool:
        return not BUFFERS <= seen.answer.result < BUFFERS + 0x8000 and seen.text == text

    def _buffers(self, seen: Seen, expected: dict[str, Any], probe: str) -> bool:
        for letter in _BUFFERS:
            wanted = expected.get(letter)
            if wanted is None:
                if letter in seen.changed:
                    return False
                continue
            now = seen.changed.get(letter)
            if now is None or (wanted != "any" and not now.startswith(wanted.encode("latin-1"))):
                return False
        return True

    def _somewhere(self, wanted: bytes, seen: Seen) -> bool:
        return wanted in seen.written or (not seen.changed and any(page.find(wanted) >= 0 for page in seen.pages))


def _is_long(probe: str) -> bool:
    return any(part in probe for part in _LONG)


def _is_buffer(page: int) -> bool:
    return BUFFERS <= page * PAGE < BUFFERS + BUFFERS_SIZE


def _own(page: int) -> bool:
    return _is_buffer(page) or STACK - STACK_SIZE <= page * PAGE < STACK


def _inside(letter: str) -> set[int]:
    return set(range(_BUFFERS[letter], _BUFFERS[letter] + 16))
