"""Programs that are many (busybox, toybox): which of them a function belongs to.

Such a program holds the sorted names of its applets one behind the other, and a table of their main functions in the
same order. What one applet does with a socket says nothing of what another reads.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from customhouse.model import Confidence, Flow, ProgramFacts

from .code import Code
from .elf import Image, Segment

_NAME_RUN = re.compile(rb"(?:[\[\]a-z0-9_.-]{1,20}\0){20,}")
_NAME = re.compile(r"[\[\]a-z0-9_.-]{1,20}")
_FEWEST = 10
"""Applets of a busybox; shells have such arrays for the few commands that are built in."""
_USUAL = frozenset((b"cat", b"cp", b"ls", b"mv", b"rm", b"sh", b"ash", b"mount", b"ps", b"kill", b"echo"))
_LEAST_USUAL = 4
_BANNER = re.compile(rb"BusyBox v\d")
_ALIKE = (
    (b"[", b"[["),
    (b"[", b"test"),
    (b"ash", b"sh"),
    (b"gunzip", b"zcat"),
    (b"egrep", b"grep"),
    (b"halt", b"reboot"),
)
_MOST_FUNCTIONS = 1500
_ADDRESS = re.compile(r"@(0x[0-9a-f]+)$")
SERVICES = frozenset(
    (
        "dhcprelay", "dnsd", "fakeidentd", "ftpd", "httpd", "inetd", "nc", "ntpd", "syslogd", "tcpsvd", "telnetd",
        "tftpd", "udhcpc", "udhcpc6", "udhcpd", "udpsvd", "zcip",
    )
)  # fmt: skip
"""Applets that wait for what the network sends."""


class Applets(NamedTuple):
    """`names` in their order; `mains` is empty where the table of functions was not found."""

    names: tuple[str, ...]
    mains: dict[int, tuple[str, ...]]


def applets(image: Image) -> Applets | None:
    """The applets of a multi-call program; None when it is none."""
    names = max((run for one in image.segments for run in _sorted_runs(one)), key=len, default=[])
    if len(_USUAL & set(names)) < _LEAST_USUAL:
        told = any(_BANNER.search(one.data) for one in image.segments)
        return _applets(max((_structures(image, one) for one in image.segments), key=len, default=[])) if told else None
    pointers = next((found for one in image.segments if (found := _table(image, one, names))), [])
    known = [one.decode() for one in names]
    return _applets(list(zip(known, pointers, strict=False)))._replace(names=tuple(known))


def _applets(found: list[tuple[str, int]]) -> Applets:
    mains: dict[int, list[str]] = {}
    for name, address in found:
        mains.setdefault(address, []).append(name)
    return Applets(tuple(name for name, _ in found), {at: tuple(names) for at, names in mains.items()})


def _structures(image: Image, segment: Segment) -> list[tuple[str, int]]:
    """The applets of a busybox before 1.2: a sorted array of structures of a name, a function and flags."""
    word, best = image.word, list[tuple[str, int]]()
    size = 3 * word
    for phase in range(0, size if segment.writable or not segment.executable else 0, word):
        run: list[tuple[str, int]] = []
        for at in range(segment.start + phase, segment.start + len(segment.data) - size + 1, size):
            one = _structure(image, at)
            if one is None or (run and one[0] <= run[-1][0]):
                run = []
            if one is not None:
                run.append(one)
            best = run[:] if len(run) > len(best) else best
    return best if len(best) >= _FEWEST and len(_USUAL & {name.encode() for name, _ in best}) >= _LEAST_USUAL else []


def _structure(image: Image, at: int) -> tuple[str, int] | None:
    name, main = image.number(at, image.word), image.number(at + image.word, image.word)
    if not name or not main or not image.executable(main & ~1 if image.architecture == "arm" else main):
        return None
    text = image.text(name) or ""
    return (text, main) if _NAME.fullmatch(text) else None


def _sorted_runs(segment: Segment) -> list[list[bytes]]:
    out: list[list[bytes]] = []
    for match in _NAME_RUN.finditer(bytes(segment.data)):
        run: list[bytes] = []
        for name in match.group().split(b"\0")[:-1]:
            if run and name <= run[-1]:
                out.append(run)
                run = []
            run.append(name)
        out.append(run)
    return out


def _table(image: Image, segment: Segment, names: list[bytes]) -> list[int]:
    """As many code addresses in a row as there are names; applets that are known to be one share theirs."""
    if segment.executable and len(segment.data) > 1 << 22:
        return []
    alike = [(names.index(a), names.index(b)) for a, b in _ALIKE if a in names and b in names]
    run: list[int] = []
    for at in range(0, len(segment.data) - image.word + 1, image.word):
        value = int.from_bytes(segment.data[at : at + image.word], "big" if image.big else "little")
        if not value or not image.executable(value & ~1 if image.architecture == "arm" else value):
            run = []
            continue
        run.append(value)
        part = run[-len(names) :]
        if len(part) == len(names) and all(part[a] == part[b] for a, b in alike):
            return part
    return []


def judged(facts: ProgramFacts, code: Code, found: Applets) -> ProgramFacts:
    """Only what a network service among the applets does is sure; what another does is medium at most. Where no applet
    leads both to what hears and to what is done with it, there is no flow: they share memory, not a process.
    """
    if not facts.flows:
        return facts
    calls = _Calls(code, found.mains)
    services = {at for at, names in found.mains.items() if SERVICES & set(names)}
    told = (_judged(flow, calls, services) for flow in facts.flows)
    return msgspec.structs.replace(facts, flows=tuple(flow for flow in told if flow is not None))


def _judged(flow: Flow, calls: "_Calls", services: set[int]) -> Flow | None:
    places = [step.address for step in flow.path[:1]] + [int(at, 16) for at in _ADDRESS.findall(flow.source)]
    leading = [mains for place in places if (mains := calls.leading(place))]
    if not leading:
        return _capped(flow)
    common = set.intersection(*leading)
    if not common and not calls.cut:
        return None
    return flow if common & services else _capped(flow)


def unsure(facts: ProgramFacts) -> ProgramFacts:
    """Which applet does what could not be told in time."""
    return msgspec.structs.replace(facts, flows=tuple(map(_capped, facts.flows)))


def _capped(flow: Flow) -> Flow:
    """Not one of a service that is known: not sure, and a port that some applet binds need not be its own."""
    confidence = Confidence.MEDIUM if flow.confidence is Confidence.HIGH else flow.confidence
    return msgspec.structs.replace(flow, confidence=confidence, port=None, port_certainty="unknown", protocol="")


class _Calls:
    """Who calls whom, directly, from the applets' main functions on. `cut` when that are too many functions."""

    def __init__(self, code: Code, mains: Collection[int]) -> None:
        self.code, self.mains = code, frozenset(mains)
        self.callers: dict[int, set[int]] = {main: set() for main in mains}
        pending = list(mains)
        while pending and len(self.callers) < _MOST_FUNCTIONS:
            caller = pending.pop()
            function = code.function(caller)
            for target in [one for _, one in function.calls] + list(function.tails.values()):
                if code.name(target) is None:
                    if target not in self.callers:
                        pending.append(target)
                    self.callers.setdefault(target, set()).add(caller)
        self.cut = bool(pending)

    def leading(self, place: int) -> set[int]:
        """The main functions that lead to the code at a place."""
        found = {one for one in self.callers if self._holds(one, place)}
        pending = list(found)
        while pending:
            fresh = self.callers[pending.pop()] - found
            found |= fresh
            pending += fresh
        return found & self.mains

    def _holds(self, function: int, place: int) -> bool:
        return any(block.address <= place < block.end for block in self.code.function(function).blocks.values())
