"""Executables that no rule could name: the extent of our ignorance, the most exposed first."""

from collections.abc import Sequence

from customhouse.model import ElfFacts, FileFacts, FileTree, How, Service

from .files import Files

_LISTENING = frozenset({"bind", "listen", "accept", "accept4"})
_TALKING = frozenset({"connect", "recvfrom", "recvmsg", "sendto", "getaddrinfo", "gethostbyname"})


def unnamed_programs(files: Files, tree: FileTree, services: Sequence[Service] = ()) -> tuple[str, ...]:
    """Image paths of ELF programs and libraries without a component; those that listen first, then by size."""
    facing = {real for service in services if service.network_facing and (real := files.real(service.program))}
    ranked: list[tuple[int, int, str]] = []
    for node in tree.files():
        facts = files.facts.get(node.digest) if node.digest else None
        if facts is None or facts.elf is None or facts.elf.type not in ("exec", "dyn") or _named(facts):
            continue
        ranked.append((_exposure(facts.elf, str(node.path) in facing), -node.size, str(node.path)))
    return tuple(path for _exposed, _size, path in sorted(ranked))


def _named(facts: FileFacts) -> bool:
    return facts.components is not None and any(hint.how != How.MENTIONS for hint in facts.components.hints)


def _exposure(elf: ElfFacts, started_facing: bool) -> int:
    """0 the most exposed: a started network service; then what listens, what talks, what runs, and libraries."""
    imports = set(elf.imports)
    if started_facing:
        return 0
    program = elf.type == "exec" or bool(elf.interpreter)
    if program and imports & _LISTENING:
        return 1
    if program and imports & _TALKING:
        return 2
    return 3 if program else 4
