"""Functions of the kernel on descriptors: files, pipes and what is written to and read from all kinds of them."""

from ..ram import Fault
from .calls import Answer, Call
from .codes import code, failed
from .world import MOST_FILE, Heard, Open

MOST = 1 << 20
"""Bytes that are taken at once."""
_MOST_PIECES = 64
_MOST_HEARD = 40
_SHORT = 0.01
"""Seconds that a call takes that asks again and again for what is not there."""
_OFTEN = 3
_AT_END = ("/dev/null", "/dev/zero", "/dev/full")
_MEMORY = "/dev/shm/"  # noqa: S108  # of the rehearsed program's world
_RANDOM = ("/dev/urandom", "/dev/random")
_OPEN_FLAGS = ("O_CREAT", "O_TRUNC", "O_APPEND", "O_EXCL", "O_NONBLOCK")
_F_DUPFD, _F_GETFL, _F_SETFL, _F_DUPFD_CLOEXEC = 0, 3, 4, 1030


def opened(call: Call, number: int) -> Open | None:
    """What a descriptor stands for."""
    found = call.host.thread.process.open.get(number)
    return found if isinstance(found, Open) else None


def new(call: Call, one: Open, at_least: int = 0) -> int:
    """A new descriptor."""
    table = call.host.thread.process.open
    number = next(one for one in range(at_least, 1 << 16) if one not in table)
    put(call, number, one)
    return number


def put(call: Call, number: int, one: Open) -> None:
    """Let a descriptor stand for something."""
    one.holders += 1
    call.host.thread.process.open[number] = one


def let_go(call: Call, number: int) -> bool:
    """Close a descriptor; whether there was one."""
    table = call.host.thread.process.open
    one = table.pop(number, None)
    if one is None:
        return False
    one.holders -= 1
    for other in table.values():
        other.watched.pop(number, None)
    return True


def pair(kind: str = "pair") -> tuple[Open, Open]:
    """Two ends, each of which gets what is written to the other one."""
    first, second = Open(kind), Open(kind)
    first.peer, second.peer = second, first
    return first, second


# -- what comes in and goes out
def is_ready(call: Call, one: Open, now: bool = False, size: int = 0) -> bool:
    """Whether there are bytes (at least `size`), or the end. Waits for them unless `now` is asked for or time is over;
    False then.
    """
    world = call.host.world

    def until() -> bool:
        if one.kind in ("connection", "pair") and not one.bounded and len(one.data) < size:
            while one.messages and len(one.data) < size:
                world.hand(one)
            if one.data and len(one.data) < size:
                return bool(one.over is not None and world.clock >= one.over)
        return bool(world.can_hear(one))

    if until():
        one.tried = 0
        call.host.waits.pop(call.host.thread.number, None)
        return True
    if now or not one.waits:
        one.tried += 1
        return one.tried > _OFTEN and bool(call.host.wait(_SHORT, until, one.due or one.over))
    return bool(call.host.wait(one.limit, until, one.due or one.over))


def hear(call: Call, one: Open, size: int, peek: bool = False, now: bool = False, all_: bool = False) -> bytes | None:
    """Up to `size` bytes that come in; waits for them. Nothing is the end, None a failure."""
    world = call.host.world
    if world.talks(one):
        world.connect(one)
    if one.kind in ("connection", "datagrams", "stdin") and len(world.heard) < _MOST_HEARD:
        world.heard[Heard(call.name, call.host.site, one.port, one.kind)] = None
    if one.kind in ("file", "stdin"):
        part = bytes(one.data[one.at : one.at + size])
        one.at += len(part)
        return part
    if one.kind == "nothing":
        return b""
    if not is_ready(call, one, now, size if all_ else 0):
        failed(call, "EAGAIN")
        return None
    return _taken(call, one, size, peek)


def _taken(call: Call, one: Open, size: int, peek: bool) -> bytes:
    """Bytes that are there."""
    world = call.host.world
    if one.kind == "datagrams" or one.bounded:
        return _message(call, one, peek)[:size]
    if one.kind == "timer":
        one.due = world.clock + one.every if one.every else None
        return (1).to_bytes(8, call.ram.order)
    if one.kind == "event":
        count, one.at = one.at, 0
        return count.to_bytes(8, call.ram.order)
    if not one.data and one.kind == "connection":
        world.hand(one)
    part = bytes(one.data[:size])
    del one.data[: 0 if peek else len(part)]
    return part


def _message(call: Call, one: Open, peek: bool) -> bytes:
    """The next datagram."""
    world = call.host.world
    is_own = bool(one.messages) or one.bounded
    message: bytes = one.messages.pop(0) if one.messages else b"" if is_own else world.datagram(one) or b""
    if peek:
        (one.messages if is_own else world.waiting).insert(0, message)
    return message


def tell(call: Call, one: Open, data: bytes) -> int:
    """Bytes that are written; how many are taken."""
    if one.kind == "pair" and one.peer is not None:
        call.host.ran(call.name, data)
        if one.peer.bounded:
            one.peer.messages.append(data)
        elif len(one.peer.data) < MOST_FILE:
            one.peer.data += data
    elif one.kind == "file" and len(one.data) < MOST_FILE:
        one.data[one.at : one.at + len(data)] = data
        one.at += len(data)
    elif one.kind == "event":
        one.at += int.from_bytes(data[:8], call.ram.order)
    return len(data)


def open_file(call: Call, path: str, create: bool, truncate: bool, append: bool) -> Open | None:
    """A file of this world, None when there is none. A device is there, and says nothing."""
    files = call.host.world.files
    if path in _AT_END:
        return Open("nothing", path=path)
    if path in _RANDOM:
        return Open("file", bytearray(range(256)) * 16, path=path)
    if path.startswith("/dev/") and not path.startswith(_MEMORY):
        return Open("silent", path=path)
    if path not in files:
        if not create:
            return None
        files[path] = bytearray()
    if truncate:
        files[path].clear()
    return Open("file", files[path], len(files[path]) if append else 0, path)


# -- reading and writing
def _read(call: Call) -> int:
    one = opened(call, call.int32(0))
    return failed(call, "EBADF") if one is None else store(call, hear(call, one, min(call.number(2), MOST)))


def store(call: Call, data: bytes | None) -> int:
    """Put what came in where the second argument says; how much it is."""
    if data is None:
        return call.ram.mask
    call.ram.write(call.number(1), data)
    return len(data)


def _read_at(call: Call) -> int:
    """pread"""
    one = opened(call, call.int32(0))
    if one is None or one.kind != "file":
        return failed(call, "ESPIPE")
    at = _offset(call)
    return store(call, bytes(one.data[at : at + min(call.number(2), MOST)]))


def _offset(call: Call) -> int:
    """Where pread and pwrite begin: a machine word, or 64 bits for the variants that say so."""
    return call.rest(3).wide() if call.name.endswith("64") else call.number(3)


def vectors(call: Call, at: int, count: int) -> list[tuple[int, int]]:
    """Places and sizes of a `struct iovec` array."""
    word = call.word_size
    if count > _MOST_PIECES:
        raise Fault("too many pieces")
    return [(call.ram.word(at + 2 * word * one), call.ram.word(at + 2 * word * one + word)) for one in range(count)]


def scatter(call: Call, parts: list[tuple[int, int]], data: bytes | None) -> int:
    """Put what came in into pieces of memory."""
    if data is None:
        return call.ram.mask
    done = 0
    for at, size in parts:
        call.ram.write(at, data[done : done + size])
        done += size
    return len(data)


def _read_vector(call: Call) -> int:
    one = opened(call, call.int32(0))
    if one is None:
        return failed(call, "EBADF")
    parts = vectors(call, call.number(1), call.number(2))
    return scatter(call, parts, hear(call, one, min(sum(size for _, size in parts), MOST)))


def _write(call: Call) -> int:
    one = opened(call, call.int32(0))
    size = min(call.number(2), MOST)
    return failed(call, "EBADF") if one is None else tell(call, one, call.ram.read(call.number(1), size))


def _write_at(call: Call) -> int:
    """pwrite"""
    one = opened(call, call.int32(0))
    if one is None or one.kind != "file":
        return failed(call, "ESPIPE")
    at, data = _offset(call), call.ram.read(call.number(1), min(call.number(2), MOST))
    if at + len(data) > MOST_FILE:
        return failed(call, "EINVAL")
    one.data += bytes(max(0, at - len(one.data)))
    one.data[at : at + len(data)] = data
    return len(data)


def _write_vector(call: Call) -> int:
    one = opened(call, call.int32(0))
    if one is None:
        return failed(call, "EBADF")
    parts = vectors(call, call.number(1), call.number(2))
    return tell(call, one, b"".join(call.ram.read(at, min(size, MOST)) for at, size in parts))


def _open(call: Call) -> int:
    """open, openat: a path that stands alone, whatever the folder is."""
    first = int(call.name.startswith("openat"))
    path, flags = call.text(first).decode("latin-1"), call.number(first + 1)
    asked = {name: bool(flags & code(call, name)) for name in _OPEN_FLAGS}
    if asked["O_CREAT"] and asked["O_EXCL"] and path in call.host.world.files:
        return failed(call, "EEXIST")
    one = open_file(call, path, asked["O_CREAT"], asked["O_TRUNC"], asked["O_APPEND"])
    if one is None:
        return failed(call, "ENOENT")
    one.waits = not asked["O_NONBLOCK"]
    return new(call, one)


def _create(call: Call) -> int:
    one = open_file(call, call.text(0).decode("latin-1"), True, True, False)
    return failed(call, "ENOENT") if one is None else new(call, one)


def _close(call: Call) -> int:
    return 0 if let_go(call, call.int32(0)) else failed(call, "EBADF")


def _pipe(call: Call) -> int:
    reads, writes = pair()
    if call.name == "pipe2" and call.number(1) & code(call, "O_NONBLOCK"):
        reads.waits = writes.waits = False
    for index, one in enumerate((reads, writes)):
        call.ram.store(call.number(0) + 4 * index, new(call, one), 4)
    return 0


def _duplicate(call: Call) -> int:
    one = opened(call, call.int32(0))
    if one is None:
        return failed(call, "EBADF")
    if call.name == "dup":
        return new(call, one)
    number = call.int32(1)
    if number != call.int32(0):
        let_go(call, number)
        put(call, number, one)
    return number


def _control(call: Call) -> int:
    """fcntl"""
    one, command = opened(call, call.int32(0)), call.int32(1)
    if one is None:
        return failed(call, "EBADF")
    flag = code(call, "O_NONBLOCK")
    if command in (_F_DUPFD, _F_DUPFD_CLOEXEC):
        return new(call, one, call.int32(2))
    if command == _F_GETFL:
        return 2 | (0 if one.waits else flag)
    if command == _F_SETFL:
        one.waits = not call.number(2) & flag
    return 0


def _seek(call: Call) -> int:
    one = opened(call, call.int32(0))
    if one is None or one.kind != "file":
        return failed(call, "ESPIPE")
    base = (0, one.at, len(one.data))[call.number(2) % 3]
    one.at = max(0, base + call.signed(1))
    return one.at


ANSWERS: dict[str, Answer] = {
    "read": _read,
    **dict.fromkeys(("pread", "pread64"), _read_at),
    "readv": _read_vector,
    "write": _write,
    **dict.fromkeys(("pwrite", "pwrite64"), _write_at),
    "writev": _write_vector,
    **dict.fromkeys(("open", "open64", "openat", "openat64", "__open_2", "__open64_2"), _open),
    **dict.fromkeys(("creat", "creat64"), _create),
    "close": _close,
    **dict.fromkeys(("pipe", "pipe2"), _pipe),
    **dict.fromkeys(("dup", "dup2", "dup3"), _duplicate),
    **dict.fromkeys(("fcntl", "fcntl64"), _control),
    **dict.fromkeys(("lseek", "lseek64"), _seek),
}
