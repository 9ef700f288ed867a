"""Reads the image's machine code in waves: libraries first, then what loads them.

A vendor's daemon calls `doSystem` of the vendor's library. What such an export does with its arguments is found when
the library is read (`ProgramFacts.exports`) and handed to every program that loads it as `need`, which is part of the
cache key. A library that wraps another library's wrapper comes a wave later.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from customhouse.firmware.facts import map_contents
from customhouse.firmware.facts.extractor import Extractor
from customhouse.firmware.program.extractor import ProgramExtractor
from customhouse.host.context import Context
from customhouse.host.store import Store
from customhouse.model import Digest, ExportRole, FileFacts, FileKind, FileTree

from .libraries import Libraries, libraries_of

NAME = "program"
_WAVES_MOST = 4  # wrappers around wrappers around wrappers: deeper ones are read with what is known by then


def analyse_programs(
    contents: Mapping[Digest, Path],
    facts: Mapping[Digest, FileFacts],
    tree: FileTree,
    context: Context,
    store: Store | None = None,
    extractor: Extractor | None = None,
) -> dict[Digest, FileFacts]:
    """`facts` with `program` filled for every ELF file. `contents` may be lazy: only what no cache knows is opened.

    What the deadline left no time for has an entry in `outcomes`. `extractor` is for tests.
    """
    reader = extractor if extractor is not None else ProgramExtractor()
    known = dict(facts)
    libraries = libraries_of(tree, facts)
    for wave in waves(libraries):
        part = {digest for digest in wave if digest in contents}
        needs = {digest: need_of(digest, libraries, known) for digest in part}
        known |= map_contents(
            _Part(contents, part), (reader,), context, {NAME: needs}, store=store, known={d: known[d] for d in part}
        )
    return known


def waves(libraries: Libraries) -> list[list[Digest]]:
    """All ELF files, each after the libraries it loads, in at most a few waves; what nothing depends on comes last."""
    programs = [d for d, known in libraries.facts.items() if known.kind is FileKind.ELF and known.elf is not None]
    loaded = set(libraries.needed_by_all(programs))
    levels = dict.fromkeys(loaded, 0)
    for _ in range(_WAVES_MOST - 2):
        for digest in sorted(loaded):
            below = [levels[library] for library in libraries.needed(digest)]
            levels[digest] = min(max(below, default=-1) + 1, _WAVES_MOST - 2)
    made = [sorted(d for d in loaded if levels[d] == level) for level in range(_WAVES_MOST - 1)]
    made.append(sorted(d for d in programs if d not in loaded))
    return [wave for wave in made if wave]


def need_of(digest: Digest, libraries: Libraries, known: Mapping[Digest, FileFacts]) -> bytes:
    """What a program must know of the functions it imports; empty when its libraries tell nothing about them.

    Roles of functions that it does not import are left out, so that a change in them does not cost a new analysis.
    """
    elf = libraries.facts[digest].elf
    if elf is None:
        return b""
    wanted = set(elf.imports)
    roles = {
        role
        for library in libraries.needed_by_all([digest])
        if (facts := known[library].program) is not None
        for role in facts.exports
        if role.function in wanted
    }
    ordered = tuple(sorted(roles, key=lambda role: (role.function, role.role, role.argument)))
    return encode_need(ordered) if ordered else b""


def encode_need(roles: Sequence[ExportRole]) -> bytes:
    """The form in which the extractor reads them."""
    return msgspec.msgpack.encode(tuple(roles))


class _Part(Mapping[Digest, Path]):
    """Some of the contents, still lazy."""

    def __init__(self, whole: Mapping[Digest, Path], keys: set[Digest]) -> None:
        self._whole, self._keys = whole, sorted(keys)
        self._has = keys

    def __getitem__(self, digest: Digest) -> Path:
        if digest not in self._has:
            raise KeyError(digest)
        return self._whole[digest]

    def __iter__(self) -> Iterator[Digest]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
