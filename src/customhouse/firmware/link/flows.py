"""What programs do, joined with what the device does with them: whose flow it is, what starts it, as whom."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from customhouse.model import (
    ConstructedCommand,
    Digest,
    Evidence,
    FileFacts,
    FileTree,
    Flow,
    ImagePath,
    NotExamined,
    Outcome,
    ProgramFacts,
    Service,
)

from .files import Files
from .libraries import Libraries, libraries_of

_CGI_SOURCES = ("getenv", "stdin", "fread", "fgets", "read@", "getline", "gets", "fgetc", "getchar", "scanf", "getc")


@dataclass(frozen=True)
class ProgramFlows:
    """The device's share of what reading machine code gave."""

    flows: tuple[Flow, ...]
    constructed_commands: tuple[ConstructedCommand, ...]
    not_examined: tuple[NotExamined, ...]


@dataclass(frozen=True)
class _Start:
    """How a content comes to run."""

    path: str
    started_by: tuple[str, ...] = ()
    user: str = ""
    at_boot: bool = False


def program_flows(
    files: Files, tree: FileTree, facts: Mapping[Digest, FileFacts], services: Sequence[Service]
) -> ProgramFlows:
    """Flows and constructed commands with the path of their program and what starts it, in the order of paths."""
    paths = _paths(tree, facts)
    libraries = libraries_of(tree, facts)
    starts = _starts(files, libraries, paths, services)
    flows: list[Flow] = []
    commands: list[ConstructedCommand] = []
    left: list[NotExamined] = []
    for digest in sorted(paths, key=lambda d: paths[d]):
        known = facts[digest]
        start = starts.get(digest) or _Start(paths[digest][0])
        if known.program is not None:
            flows += [_placed(flow, start, known, services) for flow in known.program.flows]
            commands += [_command(command, start.path, digest) for command in known.program.constructed_commands]
        left += _left_over(start.path, known, libraries, paths)
    return ProgramFlows(tuple(flows), tuple(commands), tuple(left))


def _paths(tree: FileTree, facts: Mapping[Digest, FileFacts]) -> dict[Digest, tuple[str, ...]]:
    """Where each content stands that was read as a program, or should have been."""
    found: dict[Digest, list[str]] = {}
    for node in tree.nodes:
        known = facts.get(node.digest) if node.digest is not None else None
        if known is not None and (known.program is not None or "program" in known.outcomes):
            found.setdefault(known.digest, []).append(str(node.path))
    return {digest: tuple(sorted(paths)) for digest, paths in found.items()}


def _starts(
    files: Files,
    libraries: Libraries,
    paths: Mapping[Digest, tuple[str, ...]],
    services: Sequence[Service],
) -> dict[Digest, _Start]:
    """By content; a library starts with the programs that load it. Starts at boot win over others."""
    starts: dict[Digest, _Start] = {}
    for service in sorted(services, key=lambda s: (not s.at_boot, s.program, s.started_by)):
        node = files.node(service.program)
        if node is None or node.digest is None:
            continue
        if node.digest in paths:
            real = files.real(service.program) or service.program
            starts.setdefault(node.digest, _Start(real, service.started_by, service.user, service.at_boot))
        _start_libraries(starts, libraries, node.digest, paths, service)
    return starts


def _start_libraries(
    starts: dict[Digest, _Start],
    libraries: Libraries,
    program: Digest,
    paths: Mapping[Digest, tuple[str, ...]],
    service: Service,
) -> None:
    if program not in libraries.facts:
        return
    for library in libraries.needed_by_all([program]):
        if library in paths:
            chain = (*service.started_by, service.program)
            starts.setdefault(library, _Start(paths[library][0], chain, service.user, service.at_boot))


def _placed(flow: Flow, start: _Start, known: FileFacts, services: Iterable[Service]) -> Flow:
    start = _cgi_start(flow, start, services) if not start.started_by else start
    return msgspec.structs.replace(
        flow,
        program=start.path,
        architecture=known.elf.architecture if known.elf is not None else flow.architecture,
        started_by=start.started_by,
        user=start.user,
        at_boot=start.at_boot,
        evidence=_evidence(flow.evidence, start.path, known.digest) or _flow_evidence(flow, start.path, known.digest),
    )


def _cgi_start(flow: Flow, start: _Start, services: Iterable[Service]) -> _Start:
    """A CGI program is started by the web server, for whoever asks for its page."""
    name = start.path.rpartition("/")[2]
    is_cgi = "/cgi" in start.path or name.endswith(".cgi")
    if not is_cgi or not flow.source.startswith(_CGI_SOURCES):
        return start
    servers = [service for service in services if service.kind == "http" and service.at_boot]
    if not servers:
        return start
    server = servers[0]
    return _Start(start.path, (*server.started_by, server.program), server.user, True)


def _evidence(evidence: Sequence[Evidence], path: str, digest: Digest) -> tuple[Evidence, ...]:
    return tuple(msgspec.structs.replace(e, path=ImagePath(path), digest=digest) for e in evidence)


def _flow_evidence(flow: Flow, path: str, digest: Digest) -> tuple[Evidence, ...]:
    return (Evidence(path=ImagePath(path), digest=digest, excerpt=f"{flow.source} -> {flow.sink}"),)


def _command(command: ConstructedCommand, path: str, digest: Digest) -> ConstructedCommand:
    own = Evidence(path=ImagePath(path), digest=digest, address=command.address, excerpt=command.format)
    return msgspec.structs.replace(command, program=path, evidence=_evidence(command.evidence, path, digest) or (own,))


def _left_over(
    path: str, known: FileFacts, libraries: Libraries, paths: Mapping[Digest, tuple[str, ...]]
) -> list[NotExamined]:
    """A record for every program whose reading was cut short, refused or never begun, and for one that was read whole
    without knowing what a library does for it.
    """
    outcome = _outcome(known)
    if outcome is Outcome.DONE:
        unread = [paths[one][0] for one in _unread(known, libraries) if one in paths]
        why = f"a library that it uses was not read in full: {', '.join(sorted(unread))}"
        return [NotExamined(what=path, outcome=Outcome.PARTIAL.value, why=why)] if unread else []
    program = known.program if known.program is not None else ProgramFacts()
    why = program.why or {
        Outcome.SKIPPED: "no time was left for reading its machine code",
        Outcome.FAILED: "reading its machine code failed",
    }.get(outcome, "its machine code was not read in full")
    return [NotExamined(what=path, outcome=outcome.value, why=why)]


def _outcome(known: FileFacts) -> Outcome:
    """How reading the machine code went."""
    program = known.program if known.program is not None else ProgramFacts()
    return known.outcomes.get("program", program.outcome)


def _unread(known: FileFacts, libraries: Libraries) -> list[Digest]:
    """Libraries that were not read in full and give the program functions: wrappers of theirs may be unknown in it."""
    if known.elf is None:
        return []
    imports = set(known.elf.imports)
    loaded = ((one, libraries.facts[one]) for one in libraries.needed_by_all([known.digest]))
    return [
        digest
        for digest, library in loaded
        if _outcome(library) is not Outcome.DONE and library.elf is not None and imports & set(library.elf.exports)
    ]
