"""Runs one loop of a function in the emulator, on texts, to see what it makes of them.

A loop is entered as its function entered it (`stage`), with a text where it reads, and stopped where it is left. What
it wrote anywhere else is what it makes of the text.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from .activation import Activation
from .elf import IMPORT_BASE
from .emulator import Machine, Stop
from .lift import REPEAT, STORE, VIRTUAL, WEAK_STORE
from .process import STACK, STACK_SIZE
from .ram import PAGE, Fault, Ram
from .stage import FIRST, ROOM, UNKNOWNS, Cast, Stage
from .standins import StandIns
from .state import State

_LIMIT = 20_000
"""Operations of one run; a text that is tried has few bytes."""
_MOST = 512
"""Bytes that a text may become."""
_PROBE = b"kwmqz"
"""Letters that come out of every loop that copies a text."""
_CASTS = tuple(Cast(upwards, 0, None) for upwards in (True, False))
_OTHERS = tuple(Cast(True, choice, number) for choice, number in ((1, None), (2, None), (0, 0), (0, 1)))
"""What is not known is something else: the copy must come out as harmless."""
_UNIT, _EACH = 4, 0x01010101
"""Bytes of a variable that are changed at a time, each of them."""
_STORES = frozenset((STORE, WEAK_STORE, REPEAT))


class _NoSystem:
    """A loop that asks the kernel for something is not run."""

    def call(self, machine: Machine, immediate: int) -> None:
        raise Fault(f"a system call {immediate}")


class _Player(Machine):
    """Runs until it comes to one of the `stops`; what is imported has stand-ins."""

    stops: frozenset[int] = frozenset()
    library: StandIns | None = None

    def _block(self) -> None:
        if self.pc in self.stops:
            raise Stop("left")
        name = self.image.import_name(self.pc) if self.pc >= IMPORT_BASE else None
        if name is not None and self.library is not None:
            self.operations += 1
            self.library.call(name)
        else:
            super()._block()

    def came_to(self, address: int) -> bool:
        """Whether any run did what stands at an address."""
        return any(pc <= address < block.end for (pc, _), block in self._blocks.items())


class Found(NamedTuple):
    """Where a loop reads and writes in one cast: `start` is the term of where the text begins; `output` is where the
    copy begins, behind one of the unknowns if it has one.
    """

    start: int
    reads: int | None
    owner: int | None
    output: int


class Play:
    """One loop, entered with one state."""

    def __init__(self, activation: Activation, head: int, body: Iterable[int], state: State) -> None:
        whole = activation.whole
        self.activation = activation
        self.terms = activation.terms
        self.state = state
        self.head = head
        self.body = frozenset(body)
        self.ram = Ram(whole.image)
        self.machine = _Player(whole.lifter, self.ram, _NoSystem())
        self.machine.stops = frozenset(activation.function.blocks) - self.body
        self.ram.reserve(STACK - STACK_SIZE, STACK_SIZE)
        self.ram.reserve(FIRST, ROOM * UNKNOWNS)
        self.machine.library = StandIns(self.machine, whole.lifter.convention)
        self.ram.freeze()
        self.cast = _CASTS[0]
        self.found: Found | None = None
        self.before: dict[int, bytes] = {}
        """Pages that were written when the loop was entered."""
        self._variable: dict[int, tuple[int, ...]] = {}

    def look(self, starts: Iterable[int]) -> Stage | None:
        """Find out where the loop reads and writes: what it made up its mind with, None when it does not copy."""
        for cast in _CASTS:
            for start in starts:
                stage = self._run(cast, start, None, _PROBE)
                output = self._output(stage) if stage is not None else None
                if stage is None or output is None:
                    continue
                owner = stage.owner(output)
                self.cast = cast
                self.found = Found(
                    start,
                    stage.owner(stage.text.start),
                    owner,
                    output if owner is None else output - stage.number(owner),
                )
                return stage
        return None

    def copies(self, texts: Iterable[bytes]) -> Iterator[bytes | None]:
        """What the loop makes of texts, whatever is not known; None of what it does not come to an end with."""
        for text in texts:
            yield self._copy(self.cast, text)

    def others(self, texts: Iterable[bytes]) -> Iterator[bytes]:
        """The same where the unknowns are others, as far as that leads to an end."""
        for cast in _OTHERS:
            for text in texts:
                out = self._copy(cast._replace(upwards=self.cast.upwards), text)
                if out is not None:
                    yield out

    def all_seen(self) -> bool:
        """Whether the runs came to all that the loop writes with."""
        blocks = self.activation.function.blocks
        for one in self.body:
            writes = blocks[one].exit.kind in ("call", "icall") or any(op[0] in _STORES for op in blocks[one].ops)
            if writes and not self.machine.came_to(one % VIRTUAL):
                return False
        return True

    # -- running
    def _copy(self, cast: Cast, text: bytes) -> bytes | None:
        found = self.found
        if found is None:
            return None
        stage = self._run(cast, found.start, found, text)
        if stage is None:
            return None
        output = found.output if found.owner is None else found.output + stage.number(found.owner)
        return self.ram.text(output, _MOST)

    def _run(self, cast: Cast, start: int, found: Found | None, text: bytes) -> Stage | None:
        """Enter the loop with a text; None when it is not left again."""
        machine, ram = self.machine, self.ram
        ram.restore()
        stage = Stage(self.terms, self.state, ram, cast)
        if found is not None:
            stage.pointers |= {one for one in (found.reads, found.owner) if one is not None}
        try:
            if cast.number is not None:
                self._fill(cast.number)
            stage.put(stage.number(start), text)
            stage.set_up(machine, self.activation.whole.lifter.flags)
            ram.write(stage.text.start, text + b"\0")
            self.before = {number: bytes(page) for number, page in ram.written.items()}
            thumb = machine.arm and self.activation.function.address & 1
            machine.go(self.head | thumb)
        except Fault:
            return None
        return stage if machine.run(_LIMIT) == "left" else None

    def _fill(self, number: int) -> None:
        """Variables of the program that were looked at are something else, as far as they are no addresses."""
        image = self.ram.image
        for page in list(self.ram.fixed):
            if page not in self._variable:
                low = page * PAGE
                self._variable[page] = tuple(
                    at
                    for at in range(low, low + PAGE, _UNIT)
                    if image.segment(at) is not None and not image.constant(at) and at not in self._addresses
                )
            for at in self._variable[page]:
                self.ram.store(at, number * _EACH, _UNIT)

    @cached_property
    def _addresses(self) -> frozenset[int]:
        """Where the program's file holds addresses, by units."""
        places = self.ram.image.places
        return frozenset(place + at for place in places for at in range(0, self.terms.word, _UNIT))

    def _output(self, stage: Stage) -> int | None:
        """Where the only copy of the text begins that was made outside of it."""
        found = [
            start
            for start, written in self._written()
            if not stage.text.start - 1 <= start <= stage.text.stop and _holds(written, _PROBE)
        ]
        return found[0] if len(found) == 1 else None

    def _written(self) -> Iterator[tuple[int, bytes]]:
        """What the run wrote, piece by piece."""
        start, piece = 0, bytearray()
        for number in sorted(self.ram.written):
            page = self.ram.written[number]
            old = self.before.get(number) or bytes(self.ram.fixed.get(number, bytes(PAGE)))
            for at in range(PAGE) if page != old else ():
                if page[at] == old[at]:
                    continue
                address = number * PAGE + at
                if address != start + len(piece):
                    if piece:
                        yield start, bytes(piece)
                    start, piece = address, bytearray()
                piece.append(page[at])
        if piece:
            yield start, bytes(piece)


def _holds(written: bytes, letters: bytes) -> bool:
    """Whether the letters come one after the other, whatever stands between them."""
    at = 0
    for one in letters:
        at = written.find(one, at) + 1
        if not at:
            return False
    return True
