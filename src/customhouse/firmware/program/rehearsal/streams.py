"""Streams of the C library (stdio.h), over descriptors and texts."""

from dataclasses import dataclass

from . import printing, scanning
from .belongings import STREAM_SIZE
from .calls import Answer, Call
from .codes import failed
from .descriptors import hear, let_go, new, open_file, opened, tell
from .descriptors import put as put_descriptor
from .world import Open

_LONGEST = 1 << 16
_END = 0xFFFFFFFF
_PIECE = 4096


@dataclass
class Stream:
    """An open stream. `back` are bytes that were read ahead."""

    one: Open
    number: int
    back: bytes = b""
    ended: bool = False
    failed: bool = False
    """Whether a call of the kernel went wrong."""
    shell: str = ""
    """The function that opened it as the standard input of a command."""


def stream(call: Call, index: int) -> Stream | None:
    """The stream that an argument names."""
    return stream_at(call, call.number(index))


def stream_at(call: Call, address: int) -> Stream | None:
    found = call.host.streams.get(address)
    if found is None:
        number = call.host.standard(address)
        one = opened(call, number) if number is not None else None
        if one is None or number is None:
            return None
        found = call.host.streams[address] = Stream(one, number)
    return found if isinstance(found, Stream) else None


def _opened(call: Call, one: Open, number: int, shell: str = "") -> int:
    address = int(call.host.allocate(STREAM_SIZE))
    call.host.streams[address] = Stream(one, number, shell=shell)
    return address


def _open(call: Call) -> int:
    mode = call.text(1)
    writes = mode[:1] in (b"w", b"a")
    one = open_file(call, call.text(0).decode("latin-1"), writes, mode[:1] == b"w", mode[:1] == b"a")
    if one is not None and one.kind == "silent" and not writes:
        one = Open("nothing", path=one.path)  # a line is read of it: who waits for none in vain does nothing else
    if one is None:
        failed(call, "ENOENT")
        return 0
    return _opened(call, one, new(call, one))


def _open_again(call: Call) -> int:
    """freopen: a stream, and its descriptor, stand for a file from now on."""
    found, mode = stream(call, 2), call.text(1)[:1]
    one = None
    if call.number(0):
        one = open_file(call, call.text(0).decode("latin-1"), mode in (b"w", b"a"), mode == b"w", mode == b"a")
    if found is None or (call.number(0) and one is None):
        failed(call, "ENOENT")
        return 0
    if one is not None:
        let_go(call, found.number)
        put_descriptor(call, found.number, one)
        call.host.streams[call.number(2)] = Stream(one, found.number)
    return call.number(2)


def _open_descriptor(call: Call) -> int:
    one = opened(call, call.int32(0))
    return 0 if one is None else _opened(call, one, call.int32(0))


def _open_command(call: Call) -> int:
    call.host.ran(call.name, call.text(0))
    writes = call.text(1).startswith(b"w")
    return _opened(call, Open("nothing"), new(call, Open("nothing")), "popen" if writes else "")


def _close(call: Call) -> int:
    found = stream(call, 0)
    call.host.streams.pop(call.number(0), None)
    if found is not None:
        let_go(call, found.number)
    return 0


# -- reading
def _bytes(call: Call, one: Stream, size: int) -> bytes:
    """Up to `size` bytes, as many as there are before the end."""
    while len(one.back) < size:
        more = hear(call, one.one, _PIECE)
        if not more:
            one.ended, one.failed = more is not None, more is None
            break
        one.back += more
    part, one.back = one.back[:size], one.back[size:]
    return part


def _line(call: Call, one: Stream, limit: int, end: bytes = b"\n") -> bytes:
    """A line with its end, of at most `limit` bytes."""
    while end not in one.back[:limit] and len(one.back) < limit:
        more = hear(call, one.one, _PIECE)
        if not more:
            one.ended, one.failed = more is not None, more is None
            break
        one.back += more
    at = one.back.find(end)
    size = min(limit, at + 1 if at >= 0 else len(one.back))
    part, one.back = one.back[:size], one.back[size:]
    return part


def _get_line(call: Call) -> int:
    """fgets"""
    one = stream(call, 2)
    size = call.int32(1) - 1
    if one is None or size < 1:
        return 0
    found = _line(call, one, size)
    if not found:
        return 0
    call.ram.write(call.number(0), found + b"\0")
    return call.number(0)


def _get_line_checked(call: Call) -> int:
    """__fgets_chk(buffer, its size, n, stream)"""
    one = stream(call, 3)
    size = call.int32(2) - 1
    found = _line(call, one, size) if one is not None and size > 0 else b""
    if not found:
        return 0
    call.ram.write(call.number(0), found + b"\0")
    return call.number(0)


def _get_whole_line(call: Call) -> int:
    """getline, getdelim"""
    delimited = "delim" in call.name
    one = stream(call, 3 if delimited else 2)
    found = _line(call, one, _LONGEST, bytes([call.number(2) & 255]) if delimited else b"\n") if one else b""
    if not found:
        return call.ram.mask
    place, size = call.number(0), call.number(1)
    if not call.ram.word(place) or call.ram.word(size) <= len(found):
        room = max(128, len(found) + 1)
        call.ram.store(place, call.host.allocate(room), call.word_size)
        call.ram.store(size, room, call.word_size)
    call.ram.write(call.ram.word(place), found + b"\0")
    return len(found)


def _get_character(call: Call) -> int:
    one = stream(call, 0) if call.name != "getchar" else stream_at(call, call.host.standard_address(0))
    found = _bytes(call, one, 1) if one is not None else b""
    return found[0] if found else _END


def _put_back(call: Call) -> int:
    one = stream(call, 1)
    if one is not None and call.int32(0) >= 0:
        one.back = bytes([call.number(0) & 255]) + one.back
    return call.number(0)


def _read(call: Call, size_at: int = 1) -> int:
    """fread; its fortified variant is given the size of the buffer in front of that of an element."""
    one, size, count = stream(call, size_at + 2), call.number(size_at), call.number(size_at + 1)
    if one is None or not size:
        return 0
    found = _bytes(call, one, min(size * count, 1 << 20))
    call.ram.write(call.number(0), found)
    return len(found) // size


def _scan(call: Call) -> int:
    one = stream(call, 0)
    if one is None:
        return call.ram.mask
    text = _bytes(call, one, _LONGEST)
    given, taken = scanning.store(call, text, call.text(1), call.rest(2))
    one.back = text[taken:] + one.back
    return given


# -- writing
def put(call: Call, one: Stream | None, data: bytes) -> int:
    """Write to a stream."""
    if one is None:
        return 0
    if one.shell:
        call.host.ran(call.name, data)
    return tell(call, one.one, data)


def _put_text(call: Call) -> int:
    return put(call, stream(call, 1), call.text(0))


def _put_line(call: Call) -> int:
    return len(call.text(0)) + 1


def _put_character(call: Call) -> int:
    put(call, stream(call, 1), bytes([call.number(0) & 255]))
    return call.number(0) & 255


def _write(call: Call) -> int:
    size, count = call.number(1), call.number(2)
    data = call.ram.read(call.number(0), min(size * count, 1 << 20))
    put(call, stream(call, 3), data)
    return count


def _print(call: Call) -> int:
    """fprintf"""
    flag = call.name.endswith("_chk")
    text = printing.format(call.text(1 + flag), call.rest(2 + flag), call.ram, call.text_at)
    return put(call, stream(call, 0), text)


def _print_listed(call: Call) -> int:
    """vfprintf"""
    flag = call.name.endswith("_chk")
    text = printing.format(call.text(1 + flag), call.listed(call.number(2 + flag)), call.ram, call.text_at)
    return put(call, stream(call, 0), text)


def _print_descriptor(call: Call) -> int:
    """dprintf"""
    flag = call.name.endswith("_chk")
    one = opened(call, call.int32(0))
    text = printing.format(call.text(1 + flag), call.rest(2 + flag), call.ram, call.text_at)
    return tell(call, one, text) if one is not None else call.ram.mask


def _print_descriptor_listed(call: Call) -> int:
    """vdprintf"""
    flag = call.name.endswith("_chk")
    one = opened(call, call.int32(0))
    text = printing.format(call.text(1 + flag), call.listed(call.number(2 + flag)), call.ram, call.text_at)
    return tell(call, one, text) if one is not None else call.ram.mask


def _ended(call: Call) -> int:
    one = stream(call, 0)
    return int(one is None or (one.ended and not one.back))


def _went_wrong(call: Call) -> int:
    """ferror"""
    one = stream(call, 0)
    return int(one is None or one.failed)


def _forgive(call: Call) -> int:
    """clearerr"""
    one = stream(call, 0)
    if one is not None:
        one.ended = one.failed = False
    return 0


def _number(call: Call) -> int:
    one = stream(call, 0)
    return one.number if one is not None else call.ram.mask


def _seek(call: Call) -> int:
    one = stream(call, 0)
    if one is None or one.one.kind != "file":
        return call.ram.mask
    where = 0 if call.name == "rewind" else (0, one.one.at - len(one.back), len(one.one.data))[call.number(2) % 3]
    one.one.at = max(0, where + (0 if call.name == "rewind" else call.signed(1)))
    one.back, one.ended = b"", False
    return 0


def _tell(call: Call) -> int:
    one = stream(call, 0)
    return 0 if one is None else one.one.at - len(one.back)


def _open_memory(call: Call) -> int:
    """fmemopen"""
    data = bytearray(call.ram.read(call.number(0), min(call.number(1), _LONGEST)))
    return _opened(call, Open("file", data), -1)


ANSWERS: dict[str, Answer] = {
    "fopen": _open,
    "fopen64": _open,
    "fdopen": _open_descriptor,
    **dict.fromkeys(("popen", "_IO_popen"), _open_command),
    "fmemopen": _open_memory,
    "fclose": _close,
    "pclose": _close,
    "fgets": _get_line,
    "fgets_unlocked": _get_line,
    "__fgets_chk": _get_line_checked,
    "getline": _get_whole_line,
    "__getdelim": _get_whole_line,
    "getdelim": _get_whole_line,
    "fread": _read,
    "fread_unlocked": _read,
    "fscanf": _scan,
    "__isoc99_fscanf": _scan,
    "__isoc23_fscanf": _scan,
    "ungetc": _put_back,
    "fputs": _put_text,
    "fputs_unlocked": _put_text,
    "puts": _put_line,
    "fputc": _put_character,
    "putc": _put_character,
    "_IO_putc": _put_character,
    "putchar": lambda call: call.number(0) & 255,
    "fwrite": _write,
    "fwrite_unlocked": _write,
    "fprintf": _print,
    "__fprintf_chk": _print,
    "vfprintf": _print_listed,
    "__vfprintf_chk": _print_listed,
    "dprintf": _print_descriptor,
    "__dprintf_chk": _print_descriptor,
    "vdprintf": _print_descriptor_listed,
    "__vdprintf_chk": _print_descriptor_listed,
    "feof": _ended,
    "ferror": _went_wrong,
    "clearerr": _forgive,
    **dict.fromkeys(("freopen", "freopen64"), _open_again),
    **dict.fromkeys(("__fread_chk", "__fread_unlocked_chk"), lambda call: _read(call, 2)),
    "__fgets_unlocked_chk": _get_line_checked,
    "fileno": _number,
    "fseek": _seek,
    "rewind": _seek,
    "ftell": _tell,
    **dict.fromkeys(("fgetc", "getc", "_IO_getc", "getc_unlocked", "getchar"), _get_character),
}
