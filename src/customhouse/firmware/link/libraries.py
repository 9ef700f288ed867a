"""Which library a program loads: names in `needed` joined to the image's own files."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from customhouse.model import Digest, FileFacts, FileTree

_C_LIBRARY = re.compile(
    r"(lib(c|uClibc|musl|pthread|dl|m|rt|util|resolv|crypt|nsl|gcc_s|stdc\+\+|atomic|ssp)|ld)[-.\d]"
)
"""Libraries whose functions are known by name: what they do is never read from their code."""


def is_c_library(name: str) -> bool:
    """Whether it is the C or the compiler's own library: `libc.so.6`, `libuClibc-0.9.33.so`, `ld-musl-mipsel.so.1`."""
    return _C_LIBRARY.match(name) is not None


@dataclass(frozen=True)
class Libraries:
    """The loader's view of an image, without paths: a name finds every library of that name and machine."""

    facts: Mapping[Digest, FileFacts]
    by_name: Mapping[tuple[str, str], tuple[Digest, ...]]
    """(name, architecture) -> contents, in a fixed order."""

    def needed(self, digest: Digest) -> tuple[Digest, ...]:
        """What a content loads directly, as far as the image has it; the C library is left out."""
        elf = self.facts[digest].elf
        if elf is None:
            return ()
        found = (
            library
            for name in elf.needed
            if not is_c_library(name)
            for library in self.by_name.get((name, elf.architecture), ())
        )
        return tuple(dict.fromkeys(library for library in found if library != digest))

    def needed_by_all(self, digests: Iterable[Digest]) -> tuple[Digest, ...]:
        """Everything that is loaded for `digests`, directly or not, without themselves. Circles are walked once."""
        seen = dict.fromkeys(digests)
        order: dict[Digest, None] = {}
        queue = list(seen)
        while queue:
            for library in self.needed(queue.pop()):
                order.setdefault(library)
                if library not in seen:
                    seen[library] = None
                    queue.append(library)
        return tuple(sorted(order))


def libraries_of(tree: FileTree, facts: Mapping[Digest, FileFacts]) -> Libraries:
    """Indexes libraries by soname, and by every file name and link that leads to one."""
    names: dict[tuple[str, str], set[Digest]] = {}
    links: list[tuple[str, str]] = []
    for node in tree.nodes:
        base = node.path.rpartition("/")[2]
        if node.target:
            links.append((base, node.target.rpartition("/")[2]))
            continue
        known = facts.get(node.digest) if node.digest is not None else None
        if known is None or known.elf is None or known.elf.type != "dyn":
            continue
        for name in {base, known.elf.soname} - {""}:
            names.setdefault((name, known.elf.architecture), set()).add(known.digest)
    machines = {machine for _, machine in names}
    for base, target in links:  # libx.so.1 -> libx.so.1.2: the loader asks for the link's name
        for machine in machines:
            if (target, machine) in names:
                names.setdefault((base, machine), set()).update(names[target, machine])
    return Libraries(facts, {key: tuple(sorted(found)) for key, found in names.items()})
