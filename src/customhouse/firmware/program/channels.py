"""Pipes, files and descriptors: what is written at one end and read at the other."""

from typing import TYPE_CHECKING

from .points import Pointers
from .state import Dep, Fact
from .terms import GLOBAL, RESULT

if TYPE_CHECKING:
    from .whole import Whole


class Channels(Pointers):
    """Pointers, and the channels behind descriptors."""

    def __init__(self, whole: "Whole") -> None:
        super().__init__(whole)
        self.trail: set[Fact] = set()
        """Comparisons that held where the texts of the last question were stored."""
        self._channels: dict[int, frozenset[object]] = {}

    def _written(self, term: int) -> list[Dep]:
        """What was written to the pipe or file that a read reads."""
        node = self.terms.nodes[term]
        mine = self.channels(node[3][0]) if node[0] == RESULT and node[3] else frozenset()
        if not mine:
            return []
        found = [one for one in self.outs if one[1].deps and self.channels(one[0]) & mine]
        for _, _, proofs in found:
            self.trail |= proofs
        return [dep for _, content, _ in found for dep in sorted(content.deps)]

    def channels(self, term: int) -> frozenset[object]:
        """Pipes and constant file names behind a descriptor."""
        found = self._channels.get(term)
        if found is None:
            found = self._channels[term] = self._find_channels(term)
        return found

    def _find_channels(self, term: int) -> frozenset[object]:
        out: set[object] = set()
        for root in self.leaves(term):
            node = self.terms.nodes[root]
            if node[2] == "pipe":
                out.add(("pipe", node[1]))
            elif node[2] in ("fopen", "open", "open64", "fopen64", "mq_open", "mkfifo") and node[3]:
                path = self.terms.nodes[node[3][0]]
                if path[0] == RESULT and path[1] == "path" and path[2] not in ("?", ""):
                    out |= {("path", name) for name in (path[2], *self.renamed.get(path[2], ()))}
        for number in self.constants(term):
            for other in self.standing.get(number, ()) if number < 3 else ():
                if other != term and self.terms.value(other) is None:
                    out |= self.channels(other)
        return frozenset(out)

    def leaves(self, term: int, level: int = 0) -> frozenset[int]:
        """The calls (and library variables) that gave a descriptor, through fdopen, dup and TLS handles."""
        out: set[int] = set()
        for root, _off, _step in self.points(term):
            node = self.terms.nodes[root]
            if root == GLOBAL or node[0] != RESULT:
                continue
            if (
                node[2] in ("fdopen", "dup", "SSL_new", "BIO_new_socket", "BIO_new_fd", "fcntl")
                and node[3]
                and level < 4
            ):
                inner = self.leaves(node[3][0], level + 1)
                out |= inner or {root}
            else:
                out.add(root)
        return frozenset(out)
