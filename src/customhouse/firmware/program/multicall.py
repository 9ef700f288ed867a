"""Programs that are many (busybox, toybox): which of them a function belongs to.

Such a program holds the sorted names of its applets one behind the other, and a table of their main functions in the
same order. What one applet does with a socket says nothing of what another reads.
"""

import re
from typing import NamedTuple

import msgspec

from customhouse.model import Confidence, Flow, ProgramFacts

from .code import Code
from .elf import Image, Segment

_NAME_RUN = re.compile(rb"(?:[\[\]a-z0-9_.-]{1,20}\0){20,}")
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
        # before 1.2 each applet's name stood in a structure of its own
        told = any(_BANNER.search(one.data) for one in image.segments)
        return Applets((), {}) if told else None
    pointers = next((found for one in image.segments if (found := _table(image, one, names))), [])
    mains: dict[int, list[str]] = {}
    for address, name in zip(pointers, names, strict=False):
        mains.setdefault(address, []).append(name.decode())
    return Applets(tuple(one.decode() for one in names), {at: tuple(found) for at, found in mains.items()})


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
    """Only what a network service among the applets does is sure; what another does is medium at most."""
    if not any(flow.confidence is Confidence.HIGH for flow in facts.flows):
        return facts
    reached = _reached(code, [at for at, names in found.mains.items() if SERVICES & set(names)])
    blocks = [one for at in reached for one in code.function(at).blocks.values()]
    sure = {
        flow.path
        for flow in facts.flows
        if flow.path and any(one.address <= flow.path[0].address < one.end for one in blocks)
    }
    return msgspec.structs.replace(
        facts, flows=tuple(flow if flow.path in sure else _capped(flow) for flow in facts.flows)
    )


def unsure(facts: ProgramFacts) -> ProgramFacts:
    """Which applet does what could not be told in time."""
    return msgspec.structs.replace(facts, flows=tuple(map(_capped, facts.flows)))


def _capped(flow: Flow) -> Flow:
    high = flow.confidence is Confidence.HIGH
    return msgspec.structs.replace(flow, confidence=Confidence.MEDIUM) if high else flow


def _reached(code: Code, mains: list[int]) -> set[int]:
    """Functions that the applets' main functions lead to by direct calls."""
    seen, pending = set(mains), list(mains)
    while pending and len(seen) < _MOST_FUNCTIONS:
        function = code.function(pending.pop())
        for target in [one for _, one in function.calls] + list(function.tails.values()):
            if target not in seen and code.name(target) is None:
                seen.add(target)
                pending.append(target)
    return seen
