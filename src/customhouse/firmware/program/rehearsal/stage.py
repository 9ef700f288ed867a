"""A program made ready to be run again and again, each time with other bytes from outside."""

from ..elf import Image
from ..lifter import Lifter
from .genomes import Genome, balanced
from .library import answers
from .noting import Noting
from .run import Run, stage
from .trace import Trace
from .watched import Watched
from .world import World

_OPERATIONS = 400_000
"""Of one run; a daemon that answers one packet needs a few thousands."""
_MENDS = 3


class Stage:
    """`port` and `datagrams` say which socket the messages go to, as far as that is known."""

    def __init__(self, image: Image, port: int | None, datagrams: bool | None) -> None:
        lifter = Lifter(image)
        ram = Noting(image)
        machine = Watched(lifter, ram)
        stage(ram)
        ram.freeze()
        self.run = Run(lifter, ram, machine, answers())
        self.port, self.datagrams = port, datagrams
        self.runs = 0
        self.constants = b"".join(bytes(one.data) for one in image.segments)
        """What the program's file holds."""

    def play(self, genome: Genome) -> Trace:
        """One run."""
        self.runs += 1
        world = World(genome.script(), self.port, self.datagrams)
        ended = self.run.play(world, _OPERATIONS)
        machine = self.run.machine
        return Trace(
            frozenset(machine.ways),
            tuple(self.run.comparisons),
            tuple(machine.pairs),
            tuple(world.ran),
            frozenset(self.run.asked),
            ended,
            machine.operations,
            tuple(world.heard),
            (*self.run.copied, *(one.copy() for one in machine.stored)),
        )

    def mended(self, genome: Genome) -> tuple[Genome, Trace]:
        """A run in which lengths and checksums are what the program computes; the genome as it was sent then."""
        trace = self.play(genome)
        for _ in range(_MENDS if genome.repairs else 0):
            made = _repaired(genome, trace)
            if made == genome:
                break
            genome, trace = made, self.play(made)
        return genome, trace


def _repaired(genome: Genome, trace: Trace) -> Genome:
    """The first number that is not what it was compared with, put right."""
    for repair in genome.repairs:
        message = genome.messages[repair.message] if repair.message < len(genome.messages) else b""
        at = repair.where if repair.where >= 0 else len(message) + repair.where
        if not 0 <= at <= len(message) - repair.size:
            continue
        now = int.from_bytes(message[at : at + repair.size], repair.order)  # type: ignore[arg-type]
        for site, first, second, _ in reversed(trace.pairs):
            if repair.balance and site == repair.site and first != second:
                return genome.changed(
                    repair.message, message[:at] + balanced(now, first, second, repair) + message[at + 1 :]
                )
            mine, other = (second, first) if repair.second else (first, second)
            if (
                not repair.balance
                and site == repair.site
                and mine == now
                and other != now
                and not other >> (8 * repair.size)
            ):
                raw = other.to_bytes(repair.size, repair.order)  # type: ignore[arg-type]
                return genome.changed(repair.message, message[:at] + raw + message[at + repair.size :])
    return genome
