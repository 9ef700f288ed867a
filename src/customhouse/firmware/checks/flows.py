"""Bytes from the network that become commands or overrun buffers, as the reading of machine code found them."""

import json
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

from customhouse.model import JOINT, Confidence, DeviceFacts, Evidence, Finding, Flow, Rehearsed, Severity

from ..link.web_handlers import LANGUAGES
from .check import Check

_SHORTEST_PASS_WORD = 12
"""A compared word below this length is as likely a verb or the magic number of a protocol as something hidden."""

_WHOLE = re.compile(r"""[\s("']*((/bin/)?(ba|a)?sh\s+-c\s+)?[\s("']*%s""")
"""A command whose first word comes from outside: `%s`, `%s 2>&1`, `sh -c '%s'`."""


_FIELD = re.compile(r"\w+(\.\w+)+|[a-z0-9]+([_-][a-z0-9]+)+")
"""The name of a setting or of a method: `System.TimeZone`, `ddns_hostname`."""
_ARGUMENT = re.compile(r"""\s+["']?%s""")
_LIBRARY = re.compile(r"\.so(\.[0-9.]+)?$|-[0-9.]+\.so$")


class CommandFromNetwork(Check):
    """A command that someone on the network writes, wholly or in part."""

    rule = "programs.command-from-network"
    asks = "Does a program run, as a command, bytes that anyone on the network can send it?"
    clauses = ("EN 303 645 5.13-1", "EN 303 645 5.6-1", "CRA I(2)(d)", "CRA I(2)(j)", "EN 18031-1 GEC-6")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for flow, others in _of_kind(device, "command"):
            back_door = is_back_door(flow)
            yield self.finding(
                severity=_severity_of_command(flow),
                confidence=_confidence(flow),
                title=_command_title(flow, back_door),
                detail=_detail(flow, others),
                remedy=(
                    "Remove the program, or the handler, from the image."
                    if back_door
                    else "Start the program directly with an argument list (execve) instead of a shell, and let only"
                    " those bytes through that the argument needs."
                ),
                evidence=_evidence(flow, others),
                tags=("back-door",) if back_door else (),
                subject=flow.program,
            )


class OverflowFromNetwork(Check):
    """A copy of bytes from the network whose length nothing holds to the size of the buffer."""

    rule = "programs.overflow-from-network"
    asks = "Can bytes from the network be written past the end of a buffer?"
    clauses = ("EN 303 645 5.13-1", "CRA I(2)(j)", "CRA I(2)(k)", "EN 18031-1 GEC-6")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for flow, others in _of_kind(device, "overflow"):
            yield self.finding(
                severity=_severity_of_overflow(flow),
                confidence=_confidence(flow),
                title=f"{_who(flow)} copies what it receives{_where(flow)} into a buffer without a bound",
                detail=_detail(flow, others),
                remedy="Give the copy the size of its destination, and refuse what is longer.",
                evidence=_evidence(flow, others),
                subject=flow.program,
            )


def _severity_of_command(flow: Flow) -> Severity:
    """Whoever reaches the port runs commands: nothing is graver, where the program runs and the port is its own.

    A program that nothing starts is a fault that waits for someone to start it; without a port either, what it
    receives may come from a neighbour process. A library serves nobody by itself.
    """
    if flow.at_boot and not _is_library(flow):
        return Severity.CRITICAL
    return Severity.HIGH if flow.at_boot or flow.port is not None else Severity.MEDIUM


def _severity_of_overflow(flow: Flow) -> Severity:
    """Often a way to run code, but what the platform's mitigations leave of it is not proven here."""
    if flow.at_boot:
        return Severity.MEDIUM if _is_library(flow) else Severity.HIGH
    return Severity.MEDIUM if flow.port is not None else Severity.LOW


def _is_library(flow: Flow) -> bool:
    return _LIBRARY.search(flow.program) is not None


def _who(flow: Flow) -> str:
    return f"The library {flow.program}" if _is_library(flow) else flow.program


def is_back_door(flow: Flow) -> bool:
    """A way to commands: what is sent is the command, or a pass word that is no protocol's own opens it.

    Only said of what starts at boot and is surely there; a parameter that reaches a command is a fault, not a door.
    """
    if not flow.at_boot or flow.confidence is not Confidence.HIGH or _is_library(flow):
        return False
    return runs_whole(flow) or _is_pass_word(flow.magic)


def runs_whole(flow: Flow) -> bool:
    """Whether the first word of the command, and so the program that is run, comes from outside.

    Of `%s %s` nobody knows here which part is received: the first may well be a fixed program.
    """
    start = _WHOLE.match(flow.command)
    return start is not None and not _ARGUMENT.match(flow.command, start.end())


def _is_pass_word(magic: str) -> bool:
    """Paths, fields and tags are what every protocol compares with: `/ping?host=`, `<NewURL>`, `"host"`, `ntp.server`.
    So are several words that must all be there, and bytes that are no text.
    """
    word = magic.strip()
    if JOINT in magic or not word.isprintable() or _FIELD.fullmatch(word):
        return False
    if len(word) < _SHORTEST_PASS_WORD or word[0] in "/<{[\"'&?." or any(letter in word for letter in "?=&>"):
        return False
    return not _names_protocol(word) and not (word.isalpha() and word.islower())


def _names_protocol(word: str) -> bool:
    return any(verb in word.lower() for verb in _protocol_words())


@cache
def _protocol_words() -> tuple[str, ...]:
    text = resources.files(__package__).joinpath("protocol_words.txt").read_text("utf-8")
    return tuple(line.lower() for line in text.splitlines() if line and not line.startswith("#"))


def _of_kind(device: DeviceFacts, kind: str) -> list[tuple[Flow, list[Flow]]]:
    """Reported ones, one a place in a program: the most telling way there, and the others.

    Low confidence is kept in the dossier and asks nothing of anyone.
    """
    read = (flow for flow in device.flows if flow.architecture not in LANGUAGES)  # scripts are the web check's question
    places: dict[tuple[str, str], list[Flow]] = {}
    for flow in read:
        if flow.kind == kind and flow.confidence is not Confidence.LOW:
            places.setdefault((flow.program, flow.sink), []).append(flow)
    return [(ways[0], ways[1:]) for ways in (sorted(found, key=_telling, reverse=True) for found in places.values())]


def _telling(flow: Flow) -> tuple[bool, bool, bool, bool]:
    return is_back_door(flow), flow.confidence is Confidence.HIGH, flow.port is not None, bool(flow.magic)


def _confidence(flow: Flow) -> Confidence:
    """Without a port, and started by nothing, the other end may be a process of the same device."""
    return flow.confidence if flow.at_boot or flow.port is not None else Confidence.MEDIUM


def _evidence(flow: Flow, others: list[Flow]) -> tuple[Evidence, ...]:
    return tuple(dict.fromkeys((*flow.evidence, *(place for other in others for place in other.evidence))))


def _command_title(flow: Flow, back_door: bool) -> str:
    whole = runs_whole(flow)
    what = "runs what it receives" if whole else "puts what it receives"
    into = "" if whole else " into a command"
    who = f" as {flow.user}" if flow.user and flow.at_boot else ""
    hidden = ": a back door" if back_door else ""
    return f"{_who(flow)} {what}{_where(flow)}{into}{who}{hidden}"


def _where(flow: Flow) -> str:
    if flow.port is None:
        return ""
    maybe = "" if flow.port_certainty == "exact" else " (by default)"
    return f" on {flow.protocol or 'port'} {flow.port}{maybe}"


def _shown(flow: Flow) -> str:
    """What a run showed."""
    if flow.kind == "command":
        return "bytes on which a shell acts come through"
    if flow.sink.startswith("return@"):
        return "a function goes back to an address that was sent"
    return "more is copied than there is room for"


def _detail(flow: Flow, others: list[Flow]) -> str:
    parts = [f"{flow.source} reaches {flow.sink} ({flow.architecture})."]
    if others:
        parts.append(f"So do {', '.join(dict.fromkeys(other.source for other in others))}.")
    if flow.magic:
        parts.append(f"The packet is compared with {json.dumps(flow.magic)}.")
    if flow.command:
        parts.append(f"Command: {json.dumps(flow.command)}.")
    if flow.rehearsed is Rehearsed.CONFIRMED:
        parts.append(f"Runs of the program in the emulator confirm it: {_shown(flow)}.")
    if flow.path:
        parts.append("Way: " + " > ".join(f"{step.function} at {step.address:#x}" for step in flow.path) + ".")
    if flow.started_by:
        parts.append(
            ("Loaded by " if _is_library(flow) else "Started by ")
            + " > ".join(flow.started_by)
            + (" at boot." if flow.at_boot else ".")
        )
    else:
        nobody = "No program that boot starts was seen to load it." if _is_library(flow) else ""
        parts.append(nobody or "Nothing that starts it was found.")
        if flow.port is None:
            parts.append(
                "No port of its own was found: whether it receives from the network or from a neighbour is open."
            )
    return " ".join(parts)
