"""Exploit mitigations of each program, those that the network can reach first."""

import re
from collections.abc import Sequence
from typing import Final

from customhouse.model import ElfFacts, FileFacts, FileKind, Hardening, Service

from .files import Files

_LIBRARY: Final = re.compile(r"\.so(?:\.\d+)*$")
_LISTENS: Final = frozenset({"listen", "accept", "accept4", "recvfrom"})


def hardening(files: Files, services: Sequence[Service]) -> tuple[Hardening, ...]:
    """Programs only: libraries and kernel modules have no say in most of these."""
    serving = {files.real(service.program) for service in services if service.network_facing}
    made = [_of(path, facts, facts.elf, path in serving) for path, facts in _programs(files) if facts.elf is not None]
    return tuple(sorted(made, key=lambda h: (not h.network_facing, h.program)))


def _programs(files: Files) -> list[tuple[str, FileFacts]]:
    found = []
    for path, node in sorted(files.nodes.items()):
        facts = files.facts.get(node.digest) if node.digest is not None else None
        if facts is not None and facts.kind is FileKind.ELF and facts.elf is not None and _is_program(path, facts.elf):
            found.append((path, facts))
    return found


def _is_program(path: str, elf: ElfFacts) -> bool:
    """A C library names an interpreter too; its SONAME or its file name tells it from a program."""
    if elf.type == "dyn" and (elf.soname or _LIBRARY.search(path)):
        return False
    return elf.type == "exec" or (elf.type == "dyn" and (bool(elf.interpreter) or elf.pie))


def _of(path: str, facts: FileFacts, elf: ElfFacts, serves: bool) -> Hardening:
    markers = facts.content.markers if facts.content is not None else {}
    imports = set(elf.imports)
    return Hardening(
        program=path,
        nx=elf.nx,
        pie=elf.pie,
        relro=elf.relro,
        # A static program without symbols still carries the message that its canary or fortified call would print.
        canary=elf.canary or (elf.is_static and "stack-protector" in markers),
        fortify=elf.fortify or (elf.is_static and "fortify" in markers),
        network_facing=serves or ("bind" in imports and bool(imports & _LISTENS)),
        architecture=elf.architecture,
    )
