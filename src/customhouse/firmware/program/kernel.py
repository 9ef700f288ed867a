"""Answers the system calls of emulated code: plausibly enough that a C library goes on, with no effect anywhere.

A process that is made is always the child, so that what `system` does after `fork` is seen. Every call is written
down: what a function asks of the kernel says which function it is.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from .emulator import Machine, Stop
from .ram import Fault
from .tables import table

HEAP_SIZE = 1 << 24
MAPPINGS = 0x50000000
_MAPPINGS_SIZE = 1 << 26
_OLD_ARM = 0x900000
_MAX_TRACE = 300
_SOCKET_CALLS: list[str] = table("syscalls.toml")["socketcall"]["names"]
_NO_ENTRY, _NO_MEMORY, _INVALID, _NO_SYSTEM_CALL = -2, -12, -22, -38
PROCESS = 1000


class Asked(NamedTuple):
    """One system call: `texts` are what path and arguments of execve pointed to, `data` what was written."""

    name: str
    arguments: tuple[int, ...]
    pc: int
    texts: tuple[bytes, ...] = ()
    data: bytes = b""


def _names(architecture: str) -> dict[int, str]:
    out = {}
    for pair in table("syscalls.toml")[architecture]["calls"].split():
        name, _, number = pair.partition("=")
        out[int(number)] = name
    return out


class Kernel:
    """`feed` is what reads give, in order; when it is used up, they give nothing."""

    def __init__(self, architecture: str) -> None:
        row: dict[str, Any] = table("syscalls.toml")[architecture]
        self.architecture = architecture
        self.number: str = row["number"]
        self.arguments: list[str] = row["arguments"]
        self.result: str = row["result"]
        self.names = _names(architecture)
        self.trace: list[Asked] = []
        self.feed = b""
        self.top = 0
        """End of the heap."""
        self.mapped = MAPPINGS
        self.descriptors = 3
        self.child = True
        """Whether who makes a process goes on as the new one."""

    def begin(self, feed: bytes = b"", child: bool = True) -> None:
        """Forget the calls of the run before."""
        self.trace = []
        self.child = child
        self.feed = feed
        self.descriptors = 3

    def call(self, machine: Machine, immediate: int) -> None:
        number = machine.get(self.number)
        if self.architecture == "arm" and immediate >= _OLD_ARM:
            number = immediate - _OLD_ARM
        name = self.names.get(number, f"number {number}")
        arguments = self._read_arguments(machine)
        if name == "socketcall":
            name, arguments = self._socket_call(machine, arguments)
        if len(self.trace) >= _MAX_TRACE:
            raise Stop("too many system calls")
        texts: tuple[bytes, ...] = ()
        data = b""
        if name in ("execve", "execveat"):
            texts = _command_line(machine, arguments[0], arguments[1])
        elif name in ("write", "sendto", "send"):
            data = _piece(machine, arguments[1], arguments[2])
        elif name == "writev":
            data = _vector(machine, arguments[1], arguments[2])
        self.trace.append(Asked(name, arguments, machine.after, texts, data))
        answer = _ANSWERS.get(name) or _MAPPERS.get((name, self.architecture == "i386"))
        self._give(machine, 0 if answer is None else answer(self, machine, arguments))

    def _read_arguments(self, machine: Machine) -> tuple[int, ...]:
        found = [machine.get(name) for name in self.arguments]
        if self.architecture == "mips":
            stack = machine.get("sp")
            try:
                found += [machine.ram.load(stack + 16 + 4 * index, 4) for index in range(3)]
            except Fault:
                found += [0, 0, 0]
        return (*found, 0, 0)

    def _socket_call(self, machine: Machine, arguments: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        kind, place = arguments[0], arguments[1]
        name = _SOCKET_CALLS[kind] if 0 < kind < len(_SOCKET_CALLS) else "socketcall"
        return name, tuple(machine.ram.load(place + 4 * index, 4) for index in range(6))

    def _give(self, machine: Machine, value: int) -> None:
        if self.architecture == "mips":
            failed = -4096 < value < 0
            machine.set(self.result, -value if failed else value)
            machine.set("a3", int(failed))
        else:
            machine.set(self.result, value)

    def map(self, machine: Machine, size: int) -> int:
        size = (size + 0xFFFF) & ~0xFFFF
        if size > _MAPPINGS_SIZE or self.mapped + size > MAPPINGS + _MAPPINGS_SIZE:
            return _NO_MEMORY
        place = self.mapped
        self.mapped += size
        return place

    def descriptor(self) -> int:
        self.descriptors += 1
        return self.descriptors


def _command_line(machine: Machine, path: int, vector: int) -> tuple[bytes, ...]:
    out = [machine.ram.text(path) or b""]
    for index in range(8):
        try:
            pointer = machine.ram.word(vector + index * machine.image.word)
        except Fault:
            break
        if not pointer:
            break
        out.append(machine.ram.text(pointer) or b"")
    return tuple(out)


def _piece(machine: Machine, place: int, size: int) -> bytes:
    try:
        return machine.ram.read(place, min(size, 512))
    except Fault:
        return b""


def _vector(machine: Machine, place: int, count: int) -> bytes:
    word = machine.image.word
    out = b""
    for index in range(min(count, 4)):
        try:
            out += _piece(
                machine, machine.ram.word(place + 2 * word * index), machine.ram.word(place + 2 * word * index + word)
            )
        except Fault:
            break
    return out


# -- what is answered
def _exit(_kernel: Kernel, _machine: Machine, _arguments: tuple[int, ...]) -> int:
    raise Stop("exit")


def _break(kernel: Kernel, _machine: Machine, arguments: tuple[int, ...]) -> int:
    low = kernel.top & ~(HEAP_SIZE - 1)
    if low <= arguments[0] < low + HEAP_SIZE:
        kernel.top = arguments[0]
    return kernel.top


def _map(kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    return kernel.map(machine, arguments[1])


def _old_map(kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    """i386's first mmap gets one pointer to its arguments."""
    return kernel.map(machine, machine.ram.load(arguments[0] + 4, 4))


def _thread_register(_kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    machine.thread = arguments[0]
    return 0


def _segment(_kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    """i386: a descriptor with the base of the thread's memory, whose number is to be filled in."""
    if (machine.ram.load(arguments[0], 4) + 1) & 0xFFFFFFFF == 0:
        machine.ram.store(arguments[0], 6, 4)
    machine.set("GS_OFFSET", machine.ram.load(arguments[0] + 4, 4))
    return 0


def _thread_area(kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    work = _segment if kernel.architecture == "i386" else _thread_register
    return work(kernel, machine, arguments)


def _processor_control(_kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    if arguments[0] == 0x1002:  # ARCH_SET_FS
        machine.set("FS_OFFSET", arguments[1])
        return 0
    return _INVALID


def _fork(kernel: Kernel, _machine: Machine, _arguments: tuple[int, ...]) -> int:
    return 0 if kernel.child else PROCESS


def _clone(kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    if not kernel.child:
        return PROCESS
    if arguments[1]:
        machine.set(
            "ESP" if kernel.architecture == "i386" else "RSP" if kernel.architecture == "x86_64" else "sp", arguments[1]
        )
    return 0


def _clone3(kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    return _NO_SYSTEM_CALL  # every C library knows how to do without


def _execute(_kernel: Kernel, _machine: Machine, _arguments: tuple[int, ...]) -> int:
    return _NO_ENTRY


def _read(kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    part, kernel.feed = kernel.feed[: arguments[2]], kernel.feed[arguments[2] :]
    if part:
        machine.ram.write(arguments[1], part)
    return len(part)


def _read_vector(kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    word = machine.image.word
    done = 0
    for index in range(min(arguments[2], 4)):
        place = arguments[1] + 2 * word * index
        done += _read(kernel, machine, (arguments[0], machine.ram.word(place), machine.ram.word(place + word)))
    return done


def _write(_kernel: Kernel, _machine: Machine, arguments: tuple[int, ...]) -> int:
    return arguments[2]


def _write_vector(_kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    word = machine.image.word
    return sum(machine.ram.word(arguments[1] + 2 * word * index + word) for index in range(min(arguments[2], 8)))


def _new_descriptor(kernel: Kernel, _machine: Machine, _arguments: tuple[int, ...]) -> int:
    return kernel.descriptor()


def _duplicate(_kernel: Kernel, _machine: Machine, arguments: tuple[int, ...]) -> int:
    return arguments[1]


def _pair(kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    if kernel.architecture == "mips":
        machine.set("v1", kernel.descriptor())
        return kernel.descriptor()
    return _pair_into(kernel, machine, arguments)


def _pair_into(kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    for index in range(2):
        machine.ram.store(arguments[0] + 4 * index, kernel.descriptor(), 4)
    return 0


def _socket_pair(kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    return _pair_into(kernel, machine, arguments[3:])


def _name(_kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    fields = (b"Linux", b"host", b"5.10.0", b"#1", b"machine", b"")
    machine.ram.write(arguments[0], b"".join(one.ljust(65, b"\0") for one in fields))
    return 0


def _limit(_kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    if arguments[3]:
        for index in range(2):
            machine.ram.store(arguments[3] + 8 * index, 8 << 20, 8)
    return 0


def _old_limit(_kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    for index in range(2):
        machine.ram.store(arguments[1] + machine.image.word * index, 8 << 20, machine.image.word)
    return 0


def _random(_kernel: Kernel, machine: Machine, arguments: tuple[int, ...]) -> int:
    size = min(arguments[1], 256)
    machine.ram.write(arguments[0], bytes(size))
    return size


def _process(_kernel: Kernel, _machine: Machine, _arguments: tuple[int, ...]) -> int:
    return PROCESS


def _waited(_kernel: Kernel, _machine: Machine, arguments: tuple[int, ...]) -> int:
    return arguments[0] & 0xFFFF or PROCESS


def _refused(_kernel: Kernel, _machine: Machine, _arguments: tuple[int, ...]) -> int:
    return _INVALID


Answer = Callable[[Kernel, Machine, tuple[int, ...]], int]
_ANSWERS: dict[str, Answer] = {
    "exit": _exit,
    "exit_group": _exit,
    "brk": _break,
    "mmap2": _map,
    "mremap": _refused,
    "set_tls": _thread_register,
    "set_thread_area": _thread_area,
    "arch_prctl": _processor_control,
    "clone": _clone,
    "fork": _fork,
    "vfork": _fork,
    "clone3": _clone3,
    "rseq": _clone3,
    "statx": _clone3,
    "execve": _execute,
    "execveat": _execute,
    "read": _read,
    "recv": _read,
    "recvfrom": _read,
    "pread64": _read,
    "readv": _read_vector,
    "write": _write,
    "send": _write,
    "sendto": _write,
    "writev": _write_vector,
    **dict.fromkeys(
        (
            "open",
            "openat",
            "creat",
            "socket",
            "accept",
            "accept4",
            "dup",
            "epoll_create",
            "epoll_create1",
            "inotify_init",
        ),
        _new_descriptor,
    ),
    "dup2": _duplicate,
    "dup3": _duplicate,
    "pipe": _pair,
    "pipe2": _pair_into,
    "socketpair": _socket_pair,
    "uname": _name,
    "prlimit64": _limit,
    "getrlimit": _old_limit,
    "ugetrlimit": _old_limit,
    "getrandom": _random,
    **dict.fromkeys(("getpid", "gettid", "getppid", "set_tid_address"), _process),
    "wait4": _waited,
    "readlink": _refused,
    "readlinkat": _refused,
}

_MAPPERS: dict[tuple[str, bool], Answer] = {("mmap", False): _map, ("mmap", True): _old_map}
"""`mmap` means two things."""
