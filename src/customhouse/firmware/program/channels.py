"""Pipes, files and descriptors: what is written at one end and read at the other."""

from functools import cached_property
from typing import TYPE_CHECKING

from .library import INPUT, SHELL, run_by, takes_commands
from .points import Pointers
from .state import Dep, Fact
from .terms import BYTE, GLOBAL, RESULT, Location

if TYPE_CHECKING:
    from .whole import Whole

_OPENERS = frozenset(("fopen", "fopen64", "open", "open64", "creat", "creat64", "mq_open", "mkfifo"))
_COMMANDS = frozenset(("popen", "_popen", "__popen"))
_SHELL_INPUT = ("shell",)
_MOST_WORDS = 8
_DESCRIPTOR = 4
"""Bytes of one."""


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
        leaves = self.leaves(term)
        for root in leaves:
            node = self.terms.nodes[root]
            if node[2] == "pipe":
                out.add(("pipe", node[1]))
            elif node[2] in _OPENERS and node[3]:
                path = self.terms.nodes[node[3][0]]
                if path[0] == RESULT and path[1] == "path" and path[2] not in ("?", ""):
                    out |= self._file(path[2])
            elif node[2] in _COMMANDS and len(node[3]) > 1 and self._runs_shell(*node[3]):
                out.add(_SHELL_INPUT)
        for number in self.constants(term) if not leaves else ():  # else it is what a variable is before it is set
            for other in self.standing.get(number, ()) if number < 3 else ():
                if other != term and self.terms.value(other) is None:
                    out |= self.channels(other)
        return frozenset(out)

    def _file(self, path: str) -> set[tuple[str, str]]:
        return {("path", name) for name in (path, *self.renamed.get(path, ()))}

    # -- what is run
    def feeds(self, descriptor: int) -> bool:
        """Whether what is written there is run: a shell's standard input, or a script."""
        found = self.channels(descriptor)
        return _SHELL_INPUT in found or not found.isdisjoint(self._run)

    @cached_property
    def _run(self) -> frozenset[object]:
        """The pipes and files whose lines are run."""
        out: set[object] = {one for path in self.scripts for one in self._file(path)}
        for path, vector, source in self.shells:
            if self.is_shell(path, vector):
                out |= self.channels(source)
        return frozenset(out)

    def is_shell(self, path: int, vector: int) -> bool:
        """Whether a program that was started (see `Started`) is a shell which runs its standard input."""
        return path == -1 or (self._names_shell(path) and (vector == -1 or self._takes_input(vector)))

    def _runs_shell(self, command: int, told: int) -> bool:
        """Whether popen's command is a shell that has no command of its own; `told` has its text when it is known."""
        text = self.terms.nodes[told][2]
        texts = {text} if text else self._literals(self.seen(command))
        return bool(texts) and all(takes_commands(one) for one in texts)

    def _names_shell(self, path: int) -> bool:
        """Whether nothing but shells can be at a path."""
        places = self.seen(path)
        texts = self._literals(places)
        return bool(texts) and len(texts) == len(places) and all(SHELL.search(one) for one in texts)

    def _takes_input(self, vector: int) -> bool:
        """Whether a shell that is started with arguments that lie in memory runs its standard input."""
        word = self.terms.word
        for root, offset, stride in sorted(self.seen(vector)):
            words = ["sh"]
            for index in range(1, _MOST_WORDS):
                texts = self._literals(self._loaded(root, offset + index * word, stride, word))
                if not texts:
                    break
                words += texts
            if not self._is_place(root, offset) or run_by(words) != INPUT:
                return False
        return True

    def _number(self, term: int) -> frozenset[Location]:
        """What a number in an array of descriptors is: where pointers are wider, it is none."""
        node = self.terms.nodes[term]
        return self._loaded(*node[2:6]) if node[0] == BYTE and node[5] >= _DESCRIPTOR else frozenset()

    def leaves(self, term: int, level: int = 0) -> frozenset[int]:
        """The calls (and library variables) that gave a descriptor, through fdopen, dup and TLS handles."""
        out: set[int] = set()
        for root, _off, _step in self.points(term) or self._number(term):
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
