"""Words of a shell script: quotes, escapes and expansions, read from tree-sitter's nodes."""

import re
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator

from tree_sitter import Node

from .shell_syntax import Literal, Opaque, Parameter, Part, Sequence, Substitution, Word

MAX_DEPTH = 80
_BRACED_DIGIT = re.compile(r"\$\{([0-9])\}")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_DOUBLE_QUOTE_ESCAPE = re.compile(r'\\([$`"\\\n])')

WORDS = frozenset(
    {
        "word",
        "string",
        "raw_string",
        "ansi_c_string",
        "translated_string",
        "concatenation",
        "number",
        "simple_expansion",
        "expansion",
        "command_substitution",
        "arithmetic_expansion",
        "process_substitution",
        "file_descriptor",
        "extglob_pattern",
        "regex",
        "special_variable_name",
        "brace_expression",
    }
)


class WordReader(ABC):
    """One conversion of one text. `damage` collects what could not be read."""

    def __init__(self, data: bytes, inserted: list[int] | None = None) -> None:
        self.data = data
        self.inserted = inserted or []
        self.damage: list[str] = []

    def source(self, node: Node) -> str:
        return self.text(node.start_byte, node.end_byte)

    def text(self, start: int, end: int) -> str:
        """The script's own words, without the braces that were put in for the grammar."""
        return _BRACED_DIGIT.sub(r"$\1", self.data[start:end].decode("utf-8", "surrogateescape"))

    def offset(self, node: Node) -> int:
        """Where a node stands in the text as it is, in bytes."""
        return node.start_byte - 2 * bisect_left(self.inserted, node.start_byte)

    def damaged(self, node: Node) -> None:
        if len(self.damage) < 20:
            self.damage.append(" ".join(self.source(node).split())[:60])

    @abstractmethod
    def sequence(self, node: Node, depth: int, children: list[Node] | None = None) -> Sequence:
        """The commands inside a substitution; commands are read by the subclass."""

    def word(self, node: Node, depth: int) -> Word:
        return Word(tuple(self._parts(node, depth + 1, quoted=False)), self.source(node))

    def _parts(self, node: Node, depth: int, *, quoted: bool) -> Iterator[Part]:
        if depth > MAX_DEPTH:
            self.damaged(node)
            yield Opaque(self.source(node))
            return
        if node.type == "regex":  # a pattern keeps its backslashes: `[\\!x]` is not `[!x]`
            yield Literal(self.source(node), quoted=True)
        elif node.type in ("simple_expansion", "expansion"):
            yield self._parameter(node, depth, quoted)
        elif node.type == "command_substitution":
            yield Substitution(self.sequence(node, depth), self.source(node), quoted)
        elif node.type in ("arithmetic_expansion", "process_substitution"):
            yield Opaque(self.source(node))
        elif node.type == "raw_string":
            yield Literal(self.source(node)[1:-1], quoted=True)
        elif node.type == "ansi_c_string":
            yield Literal(self.source(node)[2:-1], quoted=True)
        elif node.type in ("string", "translated_string"):
            yield from self._string(node, depth)
        elif node.child_count and node.type not in ("number",):
            yield from self._gathered(node, depth, node.start_byte, node.end_byte, quoted=quoted)
        else:
            yield self._text(self.source(node), quoted)

    def _string(self, node: Node, depth: int) -> Iterator[Part]:
        inside = [child for child in node.children if child.type not in ('"', "$")]
        start = self.data.find(b'"', node.start_byte) + 1
        end = node.end_byte - (1 if self.data[node.end_byte - 1 : node.end_byte] == b'"' else 0)
        if start >= end:
            yield Literal("", quoted=True)
            return
        yield from self._gathered(node, depth, start, end, quoted=True, children=inside)

    def _gathered(
        self, node: Node, depth: int, start: int, end: int, *, quoted: bool, children: list[Node] | None = None
    ) -> Iterator[Part]:
        """Children and the bytes between them: the grammar leaves blanks inside strings without a node."""
        at = start
        for child in node.children if children is None else children:
            if child.start_byte > at:
                yield self._text(self.text(at, child.start_byte), quoted)
            yield from self._parts(child, depth + 1, quoted=quoted)
            at = max(at, child.end_byte)
        if at < end:
            yield self._text(self.text(at, end), quoted)

    @staticmethod
    def _text(text: str, quoted: bool) -> Literal:
        if "\\" not in text:
            return Literal(text, quoted)
        if quoted:
            return Literal(_DOUBLE_QUOTE_ESCAPE.sub(lambda m: "" if m[1] == "\n" else m[1], text), quoted=True)
        return Literal(_ESCAPE.sub(lambda m: "" if m[1] == "\n" else m[1], text))

    def _parameter(self, node: Node, depth: int, quoted: bool) -> Part:
        source = self.source(node)
        names = [child for child in node.children if child.type in ("variable_name", "special_variable_name")]
        if not names:
            return Opaque(source)
        name = names[0]
        before = [c.type for c in node.children if c.end_byte <= name.start_byte]
        after = [c for c in node.children if c.start_byte >= name.end_byte and c.type != "}"]
        if "#" in before:
            return Parameter(self.source(name), source, quoted, "#length")
        if "!" in before or any(c.type == "subscript" for c in node.children):
            return Opaque(source)
        if not after:
            return Parameter(self.source(name), source, quoted)
        argument = self._argument(after[1:], depth)
        return Parameter(self.source(name), source, quoted, after[0].type, argument)

    def _argument(self, nodes: list[Node], depth: int) -> Word:
        parts = [part for child in nodes for part in self._parts(child, depth + 1, quoted=False)]
        return Word(tuple(parts), "".join(self.source(child) for child in nodes))
