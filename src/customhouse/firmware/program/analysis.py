"""From a program's bytes to its facts: the one entry point of this room."""

import time
from collections.abc import Iterable

from customhouse.model import ExportRole, Model, Outcome, ProgramFacts

from .elf import Image, NotAProgram, load
from .libraries import models, roles
from .prefilter import unwanted
from .report import Reporter
from .whole import Whole


class Budget(Model, frozen=True, kw_only=True):
    """`seconds` of work for one program."""

    seconds: float = 8.0


def analyse(data: bytes, libraries: Iterable[ExportRole] = (), budget: Budget | None = None) -> ProgramFacts:
    """What the machine code of one program or library does with bytes from outside. Never raises for bad bytes."""
    budget = budget or Budget()
    try:
        image = load(data)
    except NotAProgram as error:
        return ProgramFacts(outcome=Outcome.UNSUPPORTED, why=str(error))
    extra = models(libraries, image)
    if not image.dynamic:
        return _static(image)
    why = unwanted(image, extra)
    if why:
        return ProgramFacts(outcome=Outcome.DONE, why=why)
    whole = Whole(image, time.monotonic() + budget.seconds, extra)
    starts = roots(image)
    whole.code.starts.update(starts)
    whole.run(starts)
    reporter = Reporter(whole)
    facts = reporter.run()
    if image.exports and not image.interpreter:
        return ProgramFacts(
            flows=facts.flows,
            constructed_commands=facts.constructed_commands,
            exports=roles(whole, reporter),
            bound_ports=facts.bound_ports,
            outcome=facts.outcome,
            why=facts.why,
        )
    return facts


def _static(image: Image) -> ProgramFacts:
    """A static program whose C library has no names cannot be judged; one that never speaks to the network need not be."""
    return ProgramFacts(outcome=Outcome.UNSUPPORTED, why="static program: the functions of its C library are not named")


def roots(image: Image) -> list[int]:
    """Where execution may begin without a call in sight: entry, constructors, exported functions."""
    out = [image.entry, *image.initial] if image.executable(image.entry & ~1) else list(image.initial)
    out += [value for value in image.exports.values() if image.executable(value & ~1)]
    return list(dict.fromkeys(out))
