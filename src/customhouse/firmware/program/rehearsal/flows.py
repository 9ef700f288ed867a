"""Flows that were traced, rehearsed: what comes through in a run is sure, what is kept out in all of them is not."""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from customhouse.model import JOINT, Confidence, Flow, ProgramFacts, Rehearsed

from ..elf import Image
from ..limit import processor_time, uncollected
from ..loader import load
from ..multicall import applets
from ..prefilter import inherits, speaks
from .assay import Assay
from .genomes import Genome
from .goals import Goal
from .hunt import hunt
from .judge import Judge
from .mutations import NOT_WORDS
from .overruns import RETURN, Overrun, Seen
from .probing import Shown
from .search import CGI
from .stage import Stage
from .texts import plain
from .trace import Trace
from .world import Heard

_MOST = 6
"""Flows of a program that are rehearsed."""
_UNTRACED, _PATIENCE = 0.75, 0.35
"""The part of the time in which untraced flows are looked for, and the part of that without anything new."""
_SURE = 0.4
"""The part of the time in which other ways are looked for where all is kept out."""
_LARGEST_FILE = 1 << 20
_LARGEST = 1 << 16
"""Bytes of code of a program that is searched for what was not traced."""
_WORDS = 4
_COPIES = "strcpy strcat strncat sprintf vsprintf sscanf memcpy memmove recv recvfrom read fread"
_COPYING = frozenset(_COPIES.split())
"""Functions that may write more than there is room for."""
_ASKED = (Confidence.HIGH, Confidence.MEDIUM)


def can_be_rehearsed(image: Image) -> bool:
    """Whether a program is run by itself, with the functions of a C library that it does not bring along."""
    starts = {"__libc_start_main", "__uClibc_main"} & set(image.import_address)
    return bool(image.interpreter and image.entry and starts)


def rehearsed(data: bytes, facts: ProgramFacts, seconds: float) -> ProgramFacts:
    """The facts of a program with what rehearsals show of its flows, within so many seconds of processor time. In a
    small program copies that pass their buffers are reported that nobody traced, and where no flow was traced, commands
    that are built from parts are looked for as well.
    """
    asked = [one for one in facts.flows if one.confidence in _ASKED]
    if seconds <= 0 or not (asked or len(data) <= _LARGEST_FILE):
        return facts
    image = load(data)
    if not can_be_rehearsed(image) or applets(image) is not None or not (asked or _is_worth(image, facts)):
        return facts
    with uncollected(), processor_time(1.5 * seconds), suppress(MemoryError, RecursionError):
        flows = rehearse(image, facts, seconds) if asked else found(image, facts, _UNTRACED * seconds)
        order = sorted(flows, key=lambda one: (one.confidence, one.sink, one.source))
        return msgspec.structs.replace(facts, flows=tuple(order))
    return facts


def _is_worth(image: Image, facts: ProgramFacts) -> bool:
    """Whether a search has a chance: in a small program into which bytes from outside can get at all, and that does
    something with them.
    """
    code = sum(len(one.data) for one in image.segments if one.executable)
    does = facts.constructed_commands or _COPYING & set(map(plain, image.import_address))
    return code <= _LARGEST and bool(does) and speaks(image, {})


def found(image: Image, facts: ProgramFacts, seconds: float) -> list[Flow]:
    """The flows with those that nobody traced: commands into which bytes come that were sent, and copies that pass
    their buffers.
    """
    stage = Stage(image, None, None)
    end = time.process_time() + seconds
    built = [one for one in facts.constructed_commands if "%s" in one.format][:_MOST]
    judge = Judge(stage, [Goal(one.sink, one.address, one.format) for one in built], end)
    seen = Seen(stage.run.functions, image.word, stage.play)
    hunt(stage, [], [_Endless(), judge, seen], end, end, patience=_PATIENCE * seconds)
    commands = [
        _found(stage, facts, tried.witness, f"{one.sink}@{one.address:#x}", one.format)
        for one, tried in zip(built, judge.tried, strict=True)
        if tried.verdict is Shown.THROUGH and tried.witness
    ]
    return _with(facts.flows, [*filter(None, commands), *_overruns(stage, facts, seen)])


class _Endless:
    """Lets a search go on until time is over."""

    verdicts = (Shown.UNCLEAR,)

    def told(self, genome: Genome, trace: Trace) -> bool:
        return False

    def near(self, trace: Trace) -> float:
        return 0.0


def _overruns(stage: Stage, facts: ProgramFacts, seen: Seen) -> list[Flow]:
    """The flows of copies that passed their buffers in a run, without those that were traced. A return to what was sent
    tells nothing more where a copy was seen that leads to it.
    """
    known = {one.sink for one in facts.flows if one.confidence in _ASKED}
    sinks = _sinks(seen)
    if any(one.kind == "overflow" for one in facts.flows if one.sink in known) or any(
        name != RETURN for name, _ in seen.found
    ):
        sinks = {sink: trace for sink, trace in sinks.items() if not sink.startswith(f"{RETURN}@")}
    made = (_found(stage, facts, trace, sink) for sink, trace in sinks.items() if sink not in known)
    return list(filter(None, made))


def _sinks(seen: Seen) -> dict[str, Trace]:
    return {f"{name}@{site:#x}": trace for (name, site), trace in seen.found.items()}


def _found(stage: Stage, facts: ProgramFacts, trace: Trace, sink: str, command: str = "") -> Flow | None:
    """The flow that a run showed, into a command or past a buffer; None where what was read is no connection."""
    is_cgi = bool(trace.asked & CGI)
    heard = [one for one in trace.heard if one.kind != "stdin" or is_cgi or inherits(stage.run.image)]
    if not (heard or is_cgi):
        return None
    port, protocol, certainty = _port(heard[0], facts) if heard else (None, "", "unknown")
    return Flow(
        program="",
        architecture=stage.run.image.architecture,
        source=f"{heard[0].name}@{heard[0].site:#x}" if heard else "getenv(QUERY_STRING)",
        sink=sink,
        kind="command" if command else "overflow",
        port=port,
        port_certainty=certainty,
        protocol=protocol,
        magic=JOINT.join(_known(stage, trace)),
        command=command,
        confidence=Confidence.HIGH,
        rehearsed=Rehearsed.CONFIRMED,
    )


def _port(heard: Heard, facts: ProgramFacts) -> tuple[int | None, str, str]:
    """A port over which a run heard something, with its protocol and how sure it is: as reading has it, since a run may
    have been given another one.
    """
    protocol = "udp" if heard.kind == "datagrams" else "tcp"
    for port, of, certainty in facts.bound_ports:
        if (port, of) == (heard.port, protocol):
            return port, protocol, certainty
    return None, "", "unknown"


def _known(stage: Stage, trace: Trace) -> list[str]:
    """The words of the program that were found in what was sent."""
    words = [one.right for one in trace.comparisons if one.left == one.right and one.kind not in NOT_WORDS]
    known = [one for one in dict.fromkeys(words) if len(one) > 1 and one in stage.constants]
    return [one.decode("latin-1") for one in known[:_WORDS]]


def rehearse(image: Image, facts: ProgramFacts, seconds: float) -> list[Flow]:
    """The flows with what rehearsals show of them, within so many seconds of processor time, and those of copies that
    were seen to pass their buffers meanwhile.
    """
    asked = [one for one in facts.flows if one.confidence in _ASKED]
    asked = [*_first(asked, "command"), *_first(asked, "overflow")]
    groups: dict[tuple[int | None, str], list[Flow]] = {}
    for one in asked:
        groups.setdefault((one.port, one.protocol), []).append(one)
    made: dict[Flow, Flow] = {}
    more: dict[str, Flow] = {}
    last = time.process_time() + seconds
    for index, ((port, protocol), group) in enumerate(groups.items()):
        now = time.process_time()
        part = (last - now) / (len(groups) - index)
        stage = Stage(image, port, protocol == "udp" if protocol else None)
        commands, overflows = _first(group, "command"), _first(group, "overflow")
        judge = Judge(stage, [_goal(image, one) for one in commands], now + part)
        assay = Assay(stage, [_overrun(image, one) for one in overflows], now + part)
        seen = Seen(stage.run.functions, image.word, stage.play)
        hunt(stage, _words(group), [judge, assay, seen], now + part, now + part * _SURE, grows=bool(overflows))
        shown = [*zip(commands, judge.verdicts, strict=True), *zip(overflows, assay.verdicts, strict=True)]
        passed = _sinks(seen)
        made.update((flow, _told(flow, Shown.THROUGH if flow.sink in passed else one)) for flow, one in shown)
        more.update((one.sink, one) for one in _overruns(stage, facts, seen))
    return _with([made.get(one, one) for one in facts.flows], list(more.values()))


def _with(flows: Sequence[Flow], seen: Sequence[Flow]) -> list[Flow]:
    """Flows as they were read, and instead of those to the same sink, what was seen."""
    sinks = {one.sink for one in seen}
    return [*(one for one in flows if one.sink not in sinks), *seen]


def _first(flows: Sequence[Flow], kind: str) -> list[Flow]:
    return [one for one in flows if one.kind == kind][:_MOST]


def _told(flow: Flow, shown: Shown) -> Flow:
    if shown is Shown.THROUGH:
        return msgspec.structs.replace(flow, rehearsed=Rehearsed.CONFIRMED, confidence=Confidence.HIGH)
    if shown is Shown.KEPT_OUT:
        return msgspec.structs.replace(flow, rehearsed=Rehearsed.KEPT_OUT, confidence=Confidence.LOW)
    return msgspec.structs.replace(flow, rehearsed=Rehearsed.NOT_REACHED)


def _goal(image: Image, flow: Flow) -> Goal:
    name, _, site = flow.sink.partition("@")
    return Goal(name, int(site, 16), flow.command, _functions(image, flow))


def _overrun(image: Image, flow: Flow) -> Overrun:
    name, _, site = flow.sink.partition("@")
    calls = frozenset(step.address for step in flow.path[:-1])
    return Overrun(name, int(site, 16), flow.room, _functions(image, flow), calls)


def _functions(image: Image, flow: Flow) -> frozenset[int]:
    """The functions on the way to a flow's sink."""
    addresses = {name: at for at, name in image.names.items()}
    return frozenset(_address(step.function, addresses) for step in flow.path) - {0}


def _address(name: str, addresses: dict[str, int]) -> int:
    if name in addresses:
        return addresses[name]
    try:
        return int(name.removeprefix("fn_"), 16)
    except ValueError:
        return 0


def _words(flows: Iterable[Flow]) -> list[bytes]:
    """The words that packets must have for any of the flows."""
    words = [word for one in flows for word in one.magic.split(JOINT) if word]
    return [word.encode("latin-1", "replace") for word in dict.fromkeys(words)]
