"""From a program's bytes to its facts: the one entry point of this room."""

import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import zip_longest

import msgspec

from customhouse.model import ExportRole, Model, Outcome, ProgramFacts

from .callers import callers, towards
from .elf import Image
from .libraries import models, roles
from .limit import processor_time, uncollected
from .loader import NotAProgram, load
from .multicall import applets, judged, unsure
from .prefilter import speaks, unwanted
from .report import CUT, Reporter
from .static import Library
from .tables import table
from .whole import Whole


class Budget(Model, frozen=True, kw_only=True):
    """Seconds of processor time, so that a loaded machine cuts no more than an idle one."""

    seconds: float = 2.6
    """For reading one program."""
    library_seconds: float = 5.0
    """For naming the functions of a static program's C library; a usual one takes three, on a busy machine more."""
    report_seconds: float = 0.7
    """For saying what was read, also when the reading was cut."""


def analyse(data: bytes, libraries: Iterable[ExportRole] = (), budget: Budget | None = None) -> ProgramFacts:
    """What the machine code of one program or library does with bytes from outside. Never raises for bad bytes."""
    with uncollected():
        return _analyse(data, libraries, budget or Budget())


def _analyse(data: bytes, libraries: Iterable[ExportRole], budget: Budget) -> ProgramFacts:
    try:
        image = load(data)
    except NotAProgram as error:
        return ProgramFacts(outcome=Outcome.UNSUPPORTED, why=str(error))
    extra = models(libraries, image)
    why = unwanted(image, extra)
    if why:
        return ProgramFacts(outcome=Outcome.DONE, why=why)
    whole = Whole(image, time.process_time() + budget.seconds, extra)
    starts = roots(image)
    commands = {*_NAMES["sinks"], *(name for name, model in extra.items() if str(model[0]).startswith("command"))}
    library = _library(whole, budget) if image.static else None
    if library is not None:
        if library.problem:
            return ProgramFacts(outcome=Outcome.UNSUPPORTED, why=library.problem)
        starts = [image.entry, library.main]
    whole.code.starts.update(starts)
    whole.code.look_for_starts()
    with processor_time(budget.seconds * 1.15) as reading:
        # other callers of a sink that are found in a static program are the library's own
        first = callers(whole.code, commands, starts) if library is None else []
        near = towards(whole.code, _HEARD, starts) if library is None and speaks(image, extra) and _large(image) else []
        turns = [one for pair in zip_longest(near, first) for one in pair if one is not None]
        whole.run(list(dict.fromkeys([*turns, *starts])) if speaks(image, extra) else first)
    whole.cut = whole.cut or reading.over
    reporter = Reporter(whole)
    many = applets(image)
    if many is not None:
        reporter.heard.serves = False  # that one applet has sockets says nothing of what another reads
    exports: tuple[ExportRole, ...] = ()
    why = CUT if reading.over else ""
    with processor_time(budget.report_seconds) as reporting:
        try:
            reporter.run()
            if image.exports and not image.interpreter:
                exports = roles(whole, reporter)
        except RecursionError:
            why = why or "what its memory holds is too deep to follow"
    why = CUT if reporting.over else why
    if library is not None and not why:
        why = library.why()
    _worded(reporter)
    facts = _ported(reporter, why)
    if many is not None:
        with processor_time(_APPLET_SECONDS) as judging:
            facts = judged(facts, whole.code, many)
        if judging.over:
            facts = unsure(facts)
    return msgspec.structs.replace(facts, exports=exports)


def _worded(reporter: Reporter) -> None:
    """Name the words that packets must have when there is time for them."""
    with processor_time(_WORD_SECONDS), suppress(RecursionError):
        reporter.name_words()


def _ported(reporter: Reporter, why: str) -> ProgramFacts:
    """The facts, with the bound ports when there is time for them."""
    facts = reporter.facts(why)
    with processor_time(_PORT_SECONDS):
        try:
            facts = msgspec.structs.replace(facts, bound_ports=reporter.ports.all())
        except RecursionError:
            return facts
    return facts


def _large(image: Image) -> bool:
    """Whether it is likely that time runs out: what is read to its end is read from its beginning."""
    return sum(len(one.data) for one in image.segments if one.executable) > _LARGE


_NAMES = table("libc.toml")["names"]
_LARGE = 1 << 16
"""Bytes of code (and of constants beside it); in two seconds about so much is read."""
_HEARD = frozenset((*_NAMES["network"], *_NAMES["getters"], "read", "__read_chk"))
_APPLET_SECONDS = 1.5
_PORT_SECONDS = 0.3
_WORD_SECONDS = 0.5


def _library(whole: Whole, budget: Budget) -> Library:
    """The C library of a static program, opened; the time that this takes is the library's own."""
    library = Library(whole.image, whole.code, budget.library_seconds)
    whole.code.library = library  # a jump to one of its functions is a call
    with processor_time(budget.library_seconds * 1.5):
        library.open()
    whole.deadline = time.process_time() + budget.seconds
    return library


def roots(image: Image) -> list[int]:
    """Where execution may begin without a call in sight: entry, constructors, exported functions."""
    out = [image.entry, *image.initial] if image.executable(image.entry & ~1) else list(image.initial)
    out += [value for value in image.exports.values() if image.executable(value & ~1)]
    return list(dict.fromkeys(out))
