"""One run of a program: its threads and processes take turns until nothing is left to be done, or the run is cut."""

import struct
from bisect import bisect_right
from collections.abc import Callable

from .. import calling
from ..elf import IMPORT_BASE
from ..emulator import Stop
from ..lifter import Lifter
from ..machine import remembers
from ..process import STACK, STACK_SIZE
from ..ram import Fault
from . import characters, signals, texts
from .belongings import HEAP, HEAP_SIZE, Belongings
from .calls import Answer, Call
from .copies import SCANNING, Copy, Frame, Functions, alive, enter
from .lulls import Lull
from .noting import Noting
from .trace import Compared
from .turns import Blocked, Gone, Process, Thread
from .watched import Watched
from .world import MOST_RAN, Open, Ran, World

STACKS, STACKS_STEP = 0x40000000, 1 << 18
"""Stacks of threads."""
MOST_THREADS = 24
_FIRST_PROCESS = 100
_SHORTEST = 0.01
"""Seconds that a wait takes at least, so that time passes."""
_ARGUMENTS = (b"192.0.2.9", b"8000", b"eth0")
"""For programs that do not start without any: a host, its port, an interface."""
_MOST_COMPARED, _LONGEST = 4000, 300
_MOST_COPIED = 1000
_SPILLED = 16
"""Bytes at the top of a frame on 32-bit ARM in which what came in registers may be put before what came over the stack:
what begins there goes on in the caller's frame.
"""
_APPENDING = frozenset(("strcat", "strncat", "strlcat"))
_MOST_LATE, _MOST_LATE_OPERATIONS = 60, 10_000
"""Times that time passes after a session was let in that nobody takes yet, and operations that may take."""


_FAULTS = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, struct.error)
"""What comes of arguments that no C library would take: the run ends, as the process would."""


class Run(Belongings):
    """A program with its world. `answers` are the functions of the C library."""

    def __init__(self, lifter: Lifter, ram: Noting, machine: Watched, answers: dict[str, Answer]) -> None:
        super().__init__(machine, ram, lifter.image)
        self.lifter, self.answers = lifter, answers
        self.functions = Functions()
        self.spilled = _SPILLED if lifter.image.architecture == "arm" else 0
        for thumb in (False, True):
            remembers(lifter.convention.language, thumb)
        machine.host = self
        machine.called = self._calls
        self.site = 0
        self.arguments: tuple[bytes, ...] | None = None
        """What the program is started with; None as long as it is not known to need something."""

    # -- a run
    def play(self, world: World, limit: int) -> str:
        """Run the program from its entry; why the run ended. One that ends at once is given arguments."""
        why = self._played(world, limit)
        if self.arguments is None and self._gave_up(world, why):
            self.arguments = _ARGUMENTS
            world.restart()
            why = self._played(world, limit)
            if world.begun:
                return why
            self.arguments = ()
            world.restart()
            why = self._played(world, limit)
        return why

    def _gave_up(self, world: World, why: str) -> bool:
        return why == "ended" and world.left and not world.begun and bool(self.processes[0].status)

    def _played(self, world: World, limit: int) -> str:
        machine = self.machine
        self.ram.restore()
        self.ram.noted.clear()
        machine.watch()
        machine.operations, machine.limit = 0, limit
        self._begin(world)
        try:
            while True:
                self._turn()
        except Stop as stop:
            return str(stop)
        except Fault as fault:
            return f"fault: {fault}"
        except _FAULTS as error:
            return f"fault: {error}"

    def _begin(self, world: World) -> None:
        self.world = world
        self.own_nothing()
        self.streams: dict[int, object] = {}
        self.locked: dict[tuple[int, int], int] = {}
        """Which thread holds a mutex."""
        self.told: dict[tuple[int, int], int] = {}
        """How often a condition was signalled."""
        self.shared: set[int] = set()
        """Pages that children share with their parents."""
        self.queues: dict[object, list[bytes]] = {}
        """Messages between processes, by the name of the queue."""
        self.jumps: dict[tuple[int, int], object] = {}
        self.waits: dict[int, float] = {}
        """When threads that wait do so no longer."""
        self.comparisons: dict[Compared, None] = {}
        self.copied: list[Copy] = []
        self.unlimited: set[int] = set()
        """Where texts were put whose length no template limits."""
        self.printed: list[tuple[int, bytes]] = []
        """Texts that the call at hand printed, and where they lie."""
        self.ram.noted.clear()
        self.variables = dict(world.script.environment)
        self.asked: set[str] = set()
        """Variables of the environment that were asked for."""
        self.count = 1
        self.late, self.let_in = 0, 0
        self._first_process(world.script.stdin)
        self.lull = Lull(world.clock, 0, first=True, last=not world.left)
        self.seen = 0
        calling.prepare(self.machine, self.image.entry)
        self.machine.go(self.image.entry)

    def _first_process(self, stdin: bytes) -> None:
        own = {0: Open("stdin", holders=1), 1: Open("nothing", holders=1), 2: Open("nothing", holders=1)}
        own[0].data += stdin
        process = Process(_FIRST_PROCESS, self.ram.written, own)
        self.processes = [process]
        self.machine.file[:] = bytes(len(self.machine.file))
        self.machine.set(self.convention.stack, STACK - 8192)
        self.thread = Thread(1, process, self.standing(), leads=True)
        self.threads = [self.thread]

    # -- turns
    def _turn(self) -> None:
        machine = self.machine
        try:
            while True:
                machine._block()  # the machine's own step
        except Blocked as blocked:
            self.thread.until, self.thread.at = blocked.until, blocked.at
        except Gone:
            self.thread.ended = True
        except Stop as stop:
            if str(stop) != "return":
                raise
            if signals.resume(self):
                return
            self.thread.ended = True
            if self.thread.leads:
                self.end_process((self.machine.get(self.convention.result) & 0xFF) << 8)
        self.switch(self._next())

    def end_process(self, status: int = 0) -> None:
        """The process of the thread at hand is over, with all of its threads."""
        self.end(self.thread.process, status)

    def end(self, process: Process, status: int) -> None:
        """A process is over."""
        process.ended, process.status, process.alarm = True, status, None
        for one in self.threads:
            if one.process is process:
                one.ended = True
        for opened in process.open.values():
            opened.holders -= 1
        process.open = {}
        parent = next((one for one in self.processes if one.number == process.parent and not one.ended), None)
        if parent is not None:
            signals.child_ended(self, parent)

    def _next(self) -> Thread:
        """Who goes on. Without anyone time passes, then the next session is let in."""
        while True:
            self.threads = [one for one in self.threads if not one.ended]
            for one in reversed(self.threads):
                if one is not self.thread and (one.until is None or one.until()):
                    return one
            if self.thread in self.threads and (self.thread.until is None or self.thread.until()):
                return self.thread
            if not self.threads:
                raise Stop("ended")
            if not self._idle():
                raise Stop("idle")

    def _idle(self) -> bool:
        """Let time pass or a session begin; False when neither is possible any more."""
        world = self.world
        if self.seen != world.begun:
            self.seen = world.begun
            self.lull = Lull(world.clock, self.machine.operations, first=False, last=not world.left)
        times = [one.at for one in self.threads if one.at is not None]
        times += [one.alarm for one in self.processes if one.alarm is not None]
        moment = self.lull.next(world.clock, min(times), self.machine.operations) if times else None
        if moment is None and times and self._may_wait():
            moment = min(times)
        if moment is not None:
            world.clock = max(world.clock, moment)
            signals.ring(self)
            return True
        if world.left and not world.may_begin:
            world.may_begin = True
            self.late, self.let_in = 0, self.machine.operations
            return True
        return False

    def _may_wait(self) -> bool:
        """Whether it is still waited for someone who takes the session that was let in."""
        self.late += 1
        is_soon = self.machine.operations - self.let_in < _MOST_LATE_OPERATIONS
        return self.world.may_begin and self.late <= _MOST_LATE and is_soon

    def switch(self, to: Thread, wake: bool = True) -> None:
        """Let another thread go on."""
        if wake:
            to.until = to.at = None
        if to is self.thread:
            return
        self.thread.standing = self.standing()
        self.thread = to
        self.stand(to.standing)
        self.ram.written = to.process.written

    def wait(self, seconds: float | None, until: Callable[[], bool], soonest: float | None = None) -> bool:
        """Come back when something holds (True) or time is over (False). `soonest` is when it may hold for the first
        time without anyone's doing.
        """
        number, clock = self.thread.number, self.world.clock
        if until():
            self.waits.pop(number, None)
            return True
        if seconds is None:
            raise Blocked(until, soonest)
        end = self.waits.setdefault(number, clock + max(seconds, _SHORTEST))
        if clock >= end:
            del self.waits[number]
            return False
        at = min(end, soonest) if soonest is not None and soonest > clock else end
        raise Blocked(lambda: until() or self.world.clock >= end, at)

    # -- calls
    def _calls(self, target: int, site: int) -> None:
        self.site = site
        self.entered(target, site)

    def entered(self, function: int, site: int) -> None:
        """A function was called."""
        function &= ~1 if self.machine.arm else -1
        self.functions.add(function)
        self.functions.sites.add(site)
        enter(self.thread.frames, Frame(self.machine.get(self.convention.stack), function, site))

    def answer(self, name: str) -> None:
        """Answer a call of an imported function, and go back to who made it."""
        made = self.answers.get(texts.plain(name))
        if made is None:
            raise Stop(f"{name} has no answer")
        pc = self.machine.pc
        call = Call(self.machine, self.convention, self, name)
        self.printed.clear()
        try:
            result = made(call)
        finally:
            if self.ram.noted:
                self._copies(texts.plain(name), call)
        if self.machine.pc == pc:
            if result is not None:
                self.give(result)
            self.go_back()

    def _copies(self, name: str, call: Call) -> None:
        """Keep what was just written to stacks, and into allocations."""
        begin, stack = call.number(0), self.machine.get(self.convention.stack)
        printed = tuple(text for at, text in self.printed if self._may_change(at))
        called = self.thread.frames[-1].function if self.thread.frames else 0
        frames = alive(self.thread.frames, self.functions, self.site)
        chain = tuple(one.site for one in frames)
        for at, data in self.ram.noted:
            target = begin if name in _APPENDING and begin < at else at
            end = at + len(data)
            over = any(target + self.spilled < one.stack < end for one in frames) or self._leaves(target, end)
            if len(self.copied) < _MOST_COPIED:
                limited = name in SCANNING and target not in self.unlimited
                self.copied.append(
                    Copy(name, self.site, called, stack, target, end, data, chain, over, limited, printed)
                )
        self.ram.noted.clear()
        self.unlimited.clear()

    def _may_change(self, address: int) -> bool:
        """Whether a text is neither the program's nor the C library's own."""
        return not self.image.constant(address) and address not in self.constants.values()

    def led_to(self, site: int) -> tuple[int, ...]:
        """From where the functions were called that led to a place, the innermost one first."""
        return tuple(one.site for one in alive(self.thread.frames, self.functions, site))

    def _leaves(self, target: int, end: int) -> bool:
        """Whether something that begins in an allocation ends behind it."""
        if not HEAP <= target < self.heap:
            return False
        index = bisect_right(self.allocated, target)
        start = self.allocated[index - 1] if index else target
        return target < start + self.sizes.get(start, 0) < end

    # -- threads
    def next_thread(self) -> int:
        """The number of a new thread."""
        self.count += 1
        return self.count

    def free_room(self) -> int | None:
        """A stack that no thread of the process has, None when there is none left."""
        taken = {one.room for one in self.threads if one.process is self.thread.process and not one.ended}
        return next((one for one in range(1, MOST_THREADS) if one not in taken), None)

    # -- what is told
    def compared(self, kind: str, left: bytes, right: bytes) -> None:
        if len(self.comparisons) < _MOST_COMPARED:
            self.comparisons[Compared(self.site, kind, left[:_LONGEST], right[:_LONGEST])] = None

    def ran(self, name: str, *arguments: bytes) -> None:
        """A command was run."""
        if len(self.world.ran) < MOST_RAN:
            self.world.ran.append(Ran(name, self.site, arguments, self.world.session))


def stage(ram: Noting) -> None:
    """Memory that a run needs."""
    ram.reserve(HEAP, HEAP_SIZE)
    ram.note(HEAP, HEAP_SIZE)
    for start, size in ((STACK - STACK_SIZE, STACK_SIZE), (STACKS, STACKS_STEP * MOST_THREADS)):
        ram.reserve(start, size)
        ram.note(start, size)
    ram.reserve(IMPORT_BASE, 1 << 16)
    characters.place(ram)
