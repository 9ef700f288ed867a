"""Shell text -> syntax, by tree-sitter's bash grammar. Any text gives a Script; what could not be parsed is named."""

import re
from collections.abc import Callable, Iterator

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from .shell_parse_words import MAX_DEPTH, WORDS, WordReader
from .shell_syntax import (
    AndOr,
    Assignment,
    Branch,
    Case,
    CaseItem,
    Command,
    For,
    Function,
    If,
    Literal,
    Not,
    Pipeline,
    Redirect,
    Script,
    Sequence,
    Simple,
    Subshell,
    While,
    Word,
)

MAX_TEXT = 512 * 1024
"""Bytes; a longer start script is not one that a person wrote."""
_DIGIT_IN_WORD = re.compile(rb"(?<=[^\s\"'`$(\\])\$([0-9])(?![0-9])")
_LANGUAGE = Language(tree_sitter_bash.language())
_EXPRESSIONS = (
    "unary_expression",
    "binary_expression",
    "parenthesized_expression",
    "negated_expression",
    "test_command",
    "ERROR",
)
_EMPTY = Sequence(())
_ASCII = bytes(byte if byte < 0x80 else ord("_") for byte in range(256))
"""The grammar's scanner asks C's `isalpha` about whole code points and reads outside its table for large ones, which
can end the process. It gets a letter for every byte above 127; words are then taken from the bytes as they are."""


def parse(text: str) -> Script:
    """The commands of a script. Never raises; text over `MAX_TEXT` bytes is cut there and the cut is named."""
    data = text.encode("utf-8", "surrogateescape").replace(b"\r\n", b" \n")
    cut = len(data) > MAX_TEXT
    braced, inserted = _braced(data[:MAX_TEXT])
    reader = _Reader(braced, inserted)
    body = reader.sequence(Parser(_LANGUAGE).parse(reader.data.translate(_ASCII)).root_node, 0)
    return Script(body, (*reader.damage, *(("text over 512 KiB",) if cut else ())))


def _braced(data: bytes) -> tuple[bytes, list[int]]:
    """`a$1/b$2` with `${2}`: inside a word the grammar takes a bare digit for a word of its own.

    Also gives where the two bytes were put in, so that offsets can be told of the text as it is.
    """
    places: list[int] = []

    def brace(match: re.Match[bytes]) -> bytes:
        places.append(match.start() + 2 * len(places))
        return b"${" + match[1] + b"}"

    return _DIGIT_IN_WORD.sub(brace, data), places


class _Reader(WordReader):
    """Commands. Depth is counted so that a thousand nested parentheses end in damage, not in a stack overflow."""

    def sequence(self, node: Node, depth: int, children: list[Node] | None = None) -> Sequence:
        commands: list[Command] = []
        background: set[int] = set()
        for child in node.children if children is None else children:
            if child.type == "&" and commands:
                background.add(len(commands) - 1)
            else:
                commands.extend(self._statements(child, depth + 1))
        return Sequence(tuple(commands), frozenset(background))

    def _statements(self, node: Node, depth: int) -> Iterator[Command]:
        if node.type == "ERROR":
            self.damaged(node)
            yield from self.sequence(node, depth).commands
        elif node.type in _COMMANDS:
            if depth > MAX_DEPTH:
                self.damaged(node)
            else:
                yield self.command(node, depth)

    def command(self, node: Node, depth: int) -> Command:
        return _COMMANDS[node.type](self, node, depth)

    def _first(self, nodes: list[Node], depth: int) -> Command:
        if not nodes:
            return _EMPTY
        made = self.sequence(nodes[0], depth, nodes)
        return made.commands[0] if len(made.commands) == 1 and not made.background else made

    def simple(self, node: Node, depth: int, outer: list[Node] | None = None) -> Command:
        words: list[Word] = []
        assignments: list[Assignment] = []
        redirects: list[Redirect] = []
        for child in [*node.children, *(outer or [])]:
            if child.type == "variable_assignment":
                assignments.append(self._assignment(child, depth))
            elif child.type == "variable_assignments":
                assignments.extend(self._assignment(part, depth) for part in child.named_children)
            elif child.type == "command_name":
                words.append(self.word(child.children[0] if child.children else child, depth))
            elif child.type.endswith("_redirect"):
                redirects.append(self._redirect(child, depth))
                words.extend(self.word(extra, depth) for extra in _words_after_target(child))
            elif child.type in WORDS:
                words.append(self.word(child, depth))
        first, last = node.start_byte, (outer[-1] if outer else node).end_byte
        source = self.text(first, last)
        return Simple(tuple(words), tuple(assignments), tuple(redirects), source, self.offset(node))

    def declaration(self, node: Node, depth: int) -> Command:
        """`export A=1 B`: the keyword is the command, assignments are words of it so that all is seen in order."""
        words = [Word((Literal(self.source(node.children[0])),), self.source(node.children[0]))]
        assignments = [self._assignment(c, depth) for c in node.children if c.type == "variable_assignment"]
        words.extend(
            Word((Literal(self.source(c)),), self.source(c))
            for c in node.children[1:]
            if c.type in ("variable_name", "word")
        )
        return Simple(tuple(words), tuple(assignments), (), self.source(node), self.offset(node))

    def assignment(self, node: Node, depth: int) -> Command:
        nodes = [node] if node.type == "variable_assignment" else node.named_children
        made = tuple(self._assignment(child, depth) for child in nodes if child.type == "variable_assignment")
        return Simple((), made, (), self.source(node), self.offset(node))

    def _assignment(self, node: Node, depth: int) -> Assignment:
        name = node.children[0]
        value = node.children[-1] if node.child_count >= 3 else None
        return Assignment(
            self.source(name),
            self.word(value, depth) if value is not None else None,
            any(child.type == "+=" for child in node.children),
        )

    def _redirect(self, node: Node, depth: int) -> Redirect:
        operator = next((c.type for c in node.children if not c.is_named), ">")
        target = next((c for c in node.children if c.type in WORDS and c.type != "file_descriptor"), None)
        return Redirect(operator, self.word(target, depth) if target is not None else None)

    def redirected(self, node: Node, depth: int) -> Command:
        body = node.child_by_field_name("body")
        outer = [child for child in node.children if child.type.endswith("_redirect")]
        if body is not None and body.type == "command":
            made: Command = self.simple(body, depth, outer)
        elif body is not None and body.type in _COMMANDS:
            made = self.command(body, depth + 1)
        else:
            source = self.source(node)
            made = Simple((), (), tuple(self._redirect(child, depth) for child in outer), source, self.offset(node))
        for redirect in outer:  # the grammar hangs what follows `<<EOF` on its line below the redirection
            for child in redirect.children:
                if child.type == "pipeline":
                    rest = [c for c in child.children if c.type in _COMMANDS]
                    made = Pipeline((made, *(self.command(part, depth + 1) for part in rest)))
                elif child.type in _COMMANDS:
                    made = Sequence((made, self.command(child, depth + 1)))
        return made

    def test(self, node: Node, depth: int) -> Command:
        """`[ ... ]` back into the flat words that the command is given."""
        words = [self._as_word(leaf, depth) for leaf in self._leaves(node)]
        return Simple(tuple(words), (), (), self.source(node), self.offset(node))

    def _leaves(self, node: Node) -> Iterator[Node]:
        for child in node.children:
            if child.type in _EXPRESSIONS:
                yield from self._leaves(child)
            elif child.type != "\n":
                yield child

    def _as_word(self, node: Node, depth: int) -> Word:
        if node.is_named and node.type not in ("test_operator", "regex", "extglob_pattern"):
            return self.word(node, depth)
        return Word((Literal(self.source(node)),), self.source(node))

    def and_or(self, node: Node, depth: int) -> Command:
        parts = [c for c in node.children if c.type in _COMMANDS or c.type == "ERROR"]
        operator = next((c.type for c in node.children if c.type in ("&&", "||")), "&&")
        if len(parts) < 2:
            return self._first(parts, depth)
        return AndOr(self._first(parts[:1], depth), operator, self._first(parts[1:], depth))

    def negated(self, node: Node, depth: int) -> Command:
        return Not(self._first([c for c in node.children if c.type in _COMMANDS], depth))

    def pipeline(self, node: Node, depth: int) -> Command:
        return Pipeline(tuple(self.command(c, depth + 1) for c in node.children if c.type in _COMMANDS))

    def subshell(self, node: Node, depth: int) -> Command:
        return Subshell(self.sequence(node, depth))

    def group(self, node: Node, depth: int) -> Command:
        return self.sequence(node, depth)

    def if_(self, node: Node, depth: int) -> Command:
        branches: list[Branch] = []
        otherwise: Sequence | None = None
        head: list[Node] = []
        for child in node.children:
            if child.type == "elif_clause":
                branches.append(self._branch(child, list(child.children), depth))
            elif child.type == "else_clause":
                otherwise = self.sequence(child, depth)
            else:
                head.append(child)
        return If((self._branch(node, head, depth), *branches), otherwise)

    def _branch(self, node: Node, children: list[Node], depth: int) -> Branch:
        then = next((i for i, child in enumerate(children) if child.type == "then"), len(children))
        condition, body = children[1:then], children[then + 1 :]
        named = [c for c in condition if c.is_named]
        source = self.text(named[0].start_byte, named[-1].end_byte) if named else ""
        return Branch(
            self.sequence(node, depth, condition),
            self.sequence(node, depth, body),
            " ".join(source.split()),
        )

    def for_(self, node: Node, depth: int) -> Command:
        variable = node.child_by_field_name("variable")
        body = node.child_by_field_name("body")
        words = [self.word(c, depth) for c in node.children if c.type in WORDS and c.type != "variable_name"]
        walks = any(child.type == "in" for child in node.children)
        return For(
            self.source(variable) if variable is not None else "",
            tuple(words) if walks else None,
            self.sequence(body, depth) if body is not None else _EMPTY,
        )

    def while_(self, node: Node, depth: int) -> Command:
        body = node.child_by_field_name("body")
        inside = [c for c in node.children[1:] if c.type != "do_group"]
        named = [c for c in inside if c.is_named]
        source = self.source(named[0]) if named else ""
        condition = self.sequence(node, depth, inside)
        made = self.sequence(body, depth) if body is not None else _EMPTY
        return While(condition, made, source, until=node.children[0].type == "until")

    def counted(self, node: Node, depth: int) -> Command:
        """`for ((;;))`: the body runs, how often does not matter here."""
        body = node.child_by_field_name("body")
        return While(_EMPTY, self.sequence(body, depth) if body is not None else _EMPTY, "")

    def case(self, node: Node, depth: int) -> Command:
        subject = node.child_by_field_name("value")
        items = tuple(self._case_item(child, depth) for child in node.children if child.type == "case_item")
        word = self.word(subject, depth) if subject is not None else Word((), "")
        return Case(word, items)

    def _case_item(self, node: Node, depth: int) -> CaseItem:
        end = next((i for i, child in enumerate(node.children) if child.type == ")"), 0)
        patterns = tuple(
            self.word(child, depth) for child in node.children[:end] if child.is_named and child.type != "comment"
        )
        through = any(child.type in (";&", ";;&") for child in node.children)
        return CaseItem(patterns, self.sequence(node, depth, list(node.children[end + 1 :])), through)

    def function(self, node: Node, depth: int) -> Command:
        name = node.child_by_field_name("name")
        body = node.child_by_field_name("body")
        inside = self.command(body, depth + 1) if body is not None and body.type in _COMMANDS else _EMPTY
        return Function(self.source(name) if name is not None else "", inside)


def _words_after_target(redirect: Node) -> list[Node]:
    """`cmd > file arg`: the grammar hangs `arg` on the redirection."""
    if redirect.type == "heredoc_redirect":
        return [c for c in redirect.children if c.type in WORDS]
    targets = [c for c in redirect.children if c.type in WORDS and c.type != "file_descriptor"]
    return targets[1:]


_Convert = Callable[[_Reader, Node, int], Command]

_COMMANDS: dict[str, _Convert] = {
    "command": _Reader.simple,
    "declaration_command": _Reader.declaration,
    "unset_command": _Reader.declaration,
    "variable_assignment": _Reader.assignment,
    "variable_assignments": _Reader.assignment,
    "redirected_statement": _Reader.redirected,
    "test_command": _Reader.test,
    "list": _Reader.and_or,
    "negated_command": _Reader.negated,
    "pipeline": _Reader.pipeline,
    "subshell": _Reader.subshell,
    "compound_statement": _Reader.group,
    "do_group": _Reader.group,
    "if_statement": _Reader.if_,
    "for_statement": _Reader.for_,
    "c_style_for_statement": _Reader.counted,
    "while_statement": _Reader.while_,
    "case_statement": _Reader.case,
    "function_definition": _Reader.function,
}
