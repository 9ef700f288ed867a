"""A static program started in the emulator and stopped before its `main`, then asked what its functions do.

The C library sets itself up (thread memory, which variant of a string function is used, the environment), so nothing
of that has to be known here, whichever library it is.
"""

from collections.abc import Sequence
from typing import NamedTuple

from . import calling
from .elf import Image
from .emulator import CALLBACK, KUSER, RETURN, Machine, Stop
from .kernel import HEAP_SIZE, MAPPINGS, Asked, Kernel
from .lifter import Lifter
from .ram import Fault, Ram
from .userops import NOTHING_KNOWN

STACK = 0x7E000000
STACK_SIZE = 1 << 18
BUFFERS = 0x70000000
BUFFERS_SIZE = 1 << 16
_BOOT_LIMIT = 1_500_000
ENVIRONMENT = {b"PROBE": b"found value", b"PATH": b"/bin"}
_PAGE_SIZE, _HEADERS, _HEADER_SIZE, _HEADER_COUNT, _ENTRY, _RANDOM = 6, 3, 4, 5, 9, 25
_ZEROED = (11, 12, 13, 14, 16, 23)  # user and group numbers, AT_HWCAP, AT_SECURE
_MAX_CALLS = 5000


class Answer(NamedTuple):
    """How a call ended: return, exit, callback, limit, fault; what it gave and what it asked of the kernel."""

    ended: str
    result: int
    asked: tuple[Asked, ...]
    callback: tuple[int, ...] = ()


class Process:
    """`main` and `start` (what the entry calls to run it) are set once `boot` succeeded."""

    def __init__(self, image: Image, lifter: Lifter) -> None:
        self.image = image
        self.ram = Ram(image)
        self.kernel = Kernel(image.architecture)
        self.machine = Machine(lifter, self.ram, self.kernel)
        self.convention = lifter.convention
        self.main = 0
        self.start = 0
        self.operations = 0
        self.started = False
        self.ready = False
        """Whether the library is set up; without, functions that need its state do not run."""
        end = max(one.end for one in image.segments)
        self.heap = (end + HEAP_SIZE) & ~(HEAP_SIZE - 1)
        self.kernel.top = self.heap
        for start, size in (
            (self.heap, HEAP_SIZE),
            (MAPPINGS, 1 << 26),
            (BUFFERS, BUFFERS_SIZE),
            (STACK - STACK_SIZE, STACK_SIZE + 4096),
            (KUSER & ~4095, 4096),
            (NOTHING_KNOWN, 4096),
        ):
            self.ram.reserve(start, size)
        self._state = bytes(self.machine.file)
        self._thread = 0
        self._kernel = (self.kernel.top, self.kernel.mapped)

    # -- starting
    def boot(self) -> None:
        """Run the program's start-up code up to `main`."""
        self.started = True
        machine = self.machine
        if machine.arm:
            self.ram.store(0xFFFF0FFC, 5, 4)  # version of the kernel's helpers
        if "dczid_el0" in machine.nodes:
            machine.set("dczid_el0", 16)  # no instruction that zeroes a cache line
        machine.set(self.convention.stack, self._first_stack())
        calling.prepare(machine, self.image.entry)
        machine.called = self._watch
        machine.go(self.image.entry)
        self.kernel.begin()
        try:
            ended = machine.run(_BOOT_LIMIT)
        finally:
            machine.called = None
        self.operations += machine.operations
        self.ready = self.main != 0 and ended == "main"
        if not self.ready:
            self.ram.restore()
            self.kernel.top, self.kernel.mapped = self._kernel
            machine.set(self.convention.stack, STACK - 4096)
        self.save()

    def _first_stack(self) -> int:
        """argc, argv, environment and auxiliary vector as the kernel leaves them."""
        word, ram = self.image.word, self.ram
        texts = STACK - 2048
        ram.write(texts, b"probe\0")
        place = texts + 16
        environment = []
        for key, value in ENVIRONMENT.items():
            environment.append(place)
            ram.write(place, key + b"=" + value + b"\0")
            place += 64
        auxiliary = [(_PAGE_SIZE, 4096), (_ENTRY, self.image.entry), (_RANDOM, STACK - 512)]
        if self.image.headers[0]:
            auxiliary += list(zip((_HEADERS, _HEADER_SIZE, _HEADER_COUNT), self.image.headers, strict=True))
        auxiliary += [(kind, 0) for kind in _ZEROED]
        words = [1, texts, 0, *environment, 0, *(one for pair in auxiliary for one in pair), 0, 0]
        bottom = STACK - 4096
        for index, one in enumerate(words):
            ram.store(bottom + word * index, one, word)
        return bottom

    def _watch(self, target: int, _site: int) -> None:
        """The call that is handed `main`, and later the call of `main`."""
        machine = self.machine
        if self.main:
            if (target & ~1 if machine.arm else target) == (self.main & ~1 if machine.arm else self.main):
                machine.called = None
                raise Stop("main")
            return
        first = self._argument(0)
        if first != target and self._is_code(first):
            self.main, self.start = first, target

    def _is_code(self, value: int) -> bool:
        even = value & ~1 if self.machine.arm else value
        if self.image.architecture in ("arm64", "mips") and value & 3:
            return False
        return self.image.executable(even) and any(self.image.bytes_at(even, 8))

    def _argument(self, index: int) -> int:
        try:
            return calling.argument(self.machine, self.convention, index)
        except Fault:
            return 0

    # -- calling
    def save(self) -> None:
        """What memory and registers hold now is where each later call starts."""
        self.ram.freeze()
        self._state = bytes(self.machine.file)
        self._thread = self.machine.thread
        self._kernel = (self.kernel.top, self.kernel.mapped)

    def reset(self) -> None:
        self.ram.restore()
        self.machine.file[:] = self._state
        self.machine.thread = self._thread
        self.kernel.top, self.kernel.mapped = self._kernel

    def call(
        self, function: int, arguments: Sequence[int], feed: bytes = b"", limit: int = 20_000, child: bool = True
    ) -> Answer:
        """Call a function in the present state. Memory stays as the call leaves it until `reset`."""
        machine, convention = self.machine, self.convention
        calling.enter(machine, convention, STACK - 8192, function, arguments, RETURN)
        self.kernel.begin(feed, child)
        ended = machine.run(limit)
        self.operations += machine.operations
        called: tuple[int, ...] = ()
        if ended == "callback":
            called = (machine.pc - CALLBACK, *(self._argument(index) for index in range(3)))
        return Answer(ended, machine.get(convention.result), tuple(self.kernel.trace), called)
