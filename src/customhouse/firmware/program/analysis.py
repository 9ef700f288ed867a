"""From a program's bytes to its facts: the one entry point of this room."""

import time

from customhouse.model import Model, Outcome, ProgramFacts

from .elf import Image, NotAProgram, load
from .libraries import LibrarySummaries, models
from .prefilter import wanted
from .report import report
from .whole import Whole


class Budget(Model, frozen=True, kw_only=True):
    """`seconds` of work for one program."""

    seconds: float = 8.0


def analyse(data: bytes, libraries: LibrarySummaries | None = None, budget: Budget | None = None) -> ProgramFacts:
    """What the machine code of one program does with bytes from outside. Never raises for bad bytes."""
    budget = budget or Budget()
    try:
        image = load(data)
    except NotAProgram as error:
        return ProgramFacts(outcome=Outcome.UNSUPPORTED, why=str(error))
    extra = models(libraries, image) if libraries is not None else {}
    why = wanted(image, extra)
    if why:
        return ProgramFacts(outcome=Outcome.DONE, why=why)
    whole = Whole(image, time.monotonic() + budget.seconds, extra)
    whole.code.starts |= {one for one in roots(image)}
    whole.run(roots(image))
    return report(whole)


def roots(image: Image) -> list[int]:
    """Where execution may begin without a call in sight: entry, constructors, exported functions."""
    out = [image.entry, *image.initial] if image.executable(image.entry & ~1) else list(image.initial)
    out += [value for value in image.exports.values() if image.executable(value & ~1)]
    return list(dict.fromkeys(out))
