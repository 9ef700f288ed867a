"""Flows that were traced, rehearsed: what comes through in a run is sure, what is kept out in all of them is not."""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from customhouse.model import JOINT, Confidence, ConstructedCommand, Flow, ProgramFacts, Rehearsed

from ..elf import Image
from ..limit import processor_time, uncollected
from ..loader import load
from ..multicall import applets
from ..prefilter import inherits, speaks
from .goals import Goal
from .judge import Judge
from .mutations import NOT_WORDS
from .probing import Shown
from .search import CGI
from .stage import Stage
from .trace import Trace
from .world import Heard

_MOST = 6
"""Flows of a program that are rehearsed."""
_SURE = 0.4
"""The part of the time in which other ways are looked for where all is kept out."""
_LARGEST = 1 << 16
"""Bytes of code of a program that is searched for what was not traced."""
_WORDS = 4
_ASKED = (Confidence.HIGH, Confidence.MEDIUM)


def can_be_rehearsed(image: Image) -> bool:
    """Whether a program is run by itself, with the functions of a C library that it does not bring along."""
    starts = {"__libc_start_main", "__uClibc_main"} & set(image.import_address)
    return bool(image.interpreter and image.entry and starts)


def rehearsed(data: bytes, facts: ProgramFacts, seconds: float) -> ProgramFacts:
    """The facts of a program with what rehearsals show of its flows, within so many seconds of processor time. Where no
    flow into a command was traced, commands that are built from parts are looked for as well.
    """
    traced = any(_is_asked(one) for one in facts.flows)
    built = [one for one in facts.constructed_commands if "%s" in one.format][:_MOST]
    if seconds <= 0 or not (traced or built):
        return facts
    image = load(data)
    if not can_be_rehearsed(image) or applets(image) is not None or not (traced or _is_small(image)):
        return facts
    with uncollected(), processor_time(1.5 * seconds), suppress(MemoryError, RecursionError):
        flows = (
            rehearse(image, facts.flows, seconds)
            if traced
            else [*facts.flows, *found(image, facts, built, seconds / 2)]
        )
        order = sorted(flows, key=lambda one: (one.confidence, one.sink, one.source))
        return msgspec.structs.replace(facts, flows=tuple(order))
    return facts


def _is_asked(flow: Flow) -> bool:
    return flow.kind == "command" and flow.confidence in _ASKED


def _is_small(image: Image) -> bool:
    """Whether a search has a chance, in a program into which bytes from outside can get at all."""
    code = sum(len(one.data) for one in image.segments if one.executable)
    return code <= _LARGEST and speaks(image, {})


def found(image: Image, facts: ProgramFacts, built: Sequence[ConstructedCommand], seconds: float) -> list[Flow]:
    """Flows that nobody traced: commands into which bytes come that were sent."""
    stage = Stage(image, None, None)
    judge = Judge(stage, [Goal(one.sink, one.address, one.format) for one in built], [], seconds, seconds)
    judge.run()
    return [
        flow
        for one, tried in zip(built, judge.tried, strict=True)
        if tried.verdict is Shown.THROUGH and tried.witness and (flow := _seen(stage, facts, one, tried.witness))
    ]


def _seen(stage: Stage, facts: ProgramFacts, command: ConstructedCommand, trace: Trace) -> Flow | None:
    """The flow that a run showed; None where what the program read is no connection."""
    is_cgi = bool(trace.asked & CGI)
    heard = [one for one in trace.heard if one.kind != "stdin" or is_cgi or inherits(stage.run.image)]
    if not (heard or is_cgi):
        return None
    port, protocol, certainty = _port(heard[0], facts) if heard else (None, "", "unknown")
    return Flow(
        program="",
        architecture=stage.run.image.architecture,
        source=f"{heard[0].name}@{heard[0].site:#x}" if heard else "getenv(QUERY_STRING)",
        sink=f"{command.sink}@{command.address:#x}",
        kind="command",
        port=port,
        port_certainty=certainty,
        protocol=protocol,
        magic=JOINT.join(_known(stage, trace)),
        command=command.format,
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


def rehearse(image: Image, flows: Sequence[Flow], seconds: float) -> list[Flow]:
    """The flows with what rehearsals show of them, within so many seconds of processor time."""
    asked = [one for one in flows if _is_asked(one)][:_MOST]
    groups: dict[tuple[int | None, str], list[Flow]] = {}
    for one in asked:
        groups.setdefault((one.port, one.protocol), []).append(one)
    made: dict[Flow, Flow] = {}
    end = time.process_time() + seconds
    for index, ((port, protocol), group) in enumerate(groups.items()):
        left = (end - time.process_time()) / (len(groups) - index)
        stage = Stage(image, port, protocol == "udp" if protocol else None)
        goals = [_goal(image, one) for one in group]
        shown = Judge(stage, goals, _words(group), left, left * _SURE).run()
        made.update((flow, _told(flow, one)) for flow, one in zip(group, shown, strict=True))
    return [made.get(one, one) for one in flows]


def _told(flow: Flow, shown: Shown) -> Flow:
    if shown is Shown.THROUGH:
        return msgspec.structs.replace(flow, rehearsed=Rehearsed.CONFIRMED, confidence=Confidence.HIGH)
    if shown is Shown.KEPT_OUT:
        return msgspec.structs.replace(flow, rehearsed=Rehearsed.KEPT_OUT, confidence=Confidence.LOW)
    return msgspec.structs.replace(flow, rehearsed=Rehearsed.NOT_REACHED)


def _goal(image: Image, flow: Flow) -> Goal:
    name, _, site = flow.sink.partition("@")
    addresses = {name: at for at, name in image.names.items()}
    path = {_address(step.function, addresses) for step in flow.path}
    return Goal(name, int(site, 16), flow.command, frozenset(path - {0}))


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
