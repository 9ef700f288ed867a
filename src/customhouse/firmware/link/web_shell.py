"""Following a request through a CGI script of the shell: what the client writes must not become commands.

In a shell an expanded variable is not parsed again, so `ping $address` is no injection; `eval`, `sh -c`, a pipe into a
shell and the command's own name are. A variable that a `case` with patterns lets through, or that `tr -cd` or
`sed s/[^...]//` cut down, is clean.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from .shell_parse import parse
from .shell_syntax import (
    AndOr,
    Case,
    Command,
    For,
    Function,
    If,
    Not,
    Parameter,
    Pipeline,
    Sequence,
    Simple,
    Subshell,
    Substitution,
    While,
    Word,
)
from .web_taint import Reached, environment

_SHELLS: Final = frozenset({"sh", "ash", "bash", "dash", "/bin/sh", "/bin/ash", "/bin/bash", "busybox"})
_READS_BODY: Final = frozenset({"cat", "head", "dd", "read"})
_LAST_ROUND: Final = 2


def reached(text: str) -> list[Reached]:
    """Every place where the client's bytes are parsed as commands, by offset in bytes."""
    follower = _Follower()
    script = parse(text)
    found: dict[int, Reached] = {}
    for _ in range(_LAST_ROUND):  # the second time knows what functions and loops have set
        for one in follower.command(script.body):
            found.setdefault(one.offset, one)
    return [found[at] for at in sorted(found)]


@dataclass
class _Follower:
    dirty: dict[str, str] = field(default_factory=dict)
    clean: set[str] = field(default_factory=set)

    def command(self, command: Command | None) -> Iterator[Reached]:
        match command:
            case Sequence(commands=commands):
                for one in commands:
                    yield from self.command(one)
            case Simple():
                yield from self._simple(command)
            case Pipeline(parts=parts):
                yield from self._pipeline(parts)
            case If(branches=branches, otherwise=otherwise):
                for branch in branches:
                    yield from self.command(branch.condition)
                    yield from self.command(branch.body)
                yield from self.command(otherwise)
            case AndOr(left=first, right=second) | While(condition=first, body=second):
                yield from self.command(first)
                yield from self.command(second)
            case Case():
                yield from self._case(command)
            case For():
                yield from self._for(command)
            case Subshell(body=body) | Not(body=body) | Function(body=body):
                yield from self.command(body)

    def _simple(self, command: Simple) -> Iterator[Reached]:
        for assignment in command.assignments:
            source = self.dirt(assignment.value) if assignment.value is not None else ""
            if source:
                self.dirty[assignment.name] = source
            elif not assignment.append:
                self.dirty.pop(assignment.name, None)
        for word in (*command.words, *(a.value for a in command.assignments if a.value is not None)):
            for part in word.parts:
                if isinstance(part, Substitution):
                    yield from self.command(part.body)
        if not command.words:
            return
        name = command.words[0].source
        self._read(name, command)
        parsed = self._parsed_again(name, command)
        if parsed:
            yield Reached(parsed, name if name in _SHELLS else name.split()[0][:40], command.offset)

    def _parsed_again(self, name: str, command: Simple) -> str:
        """The source of a word that the shell, or another one, reads as commands."""
        if name == "eval":
            return next((s for word in command.words[1:] if (s := self.dirt(word))), "")
        if name in _SHELLS and len(command.words) > 2 and any(word.source == "-c" for word in command.words[1:3]):
            return next((s for word in command.words[2:] if (s := self.dirt(word))), "")
        first = command.words[0]
        if len(first.parts) == 1 and isinstance(first.parts[0], Parameter):
            return self.dirt(first)
        return ""

    def _read(self, name: str, command: Simple) -> None:
        """`read line` takes the request's body, in a handler that looks at how long it is."""
        if name == "read" and "CONTENT_LENGTH" in self.dirty:
            for word in command.words[1:]:
                if not word.source.startswith("-"):
                    self.dirty[word.source] = "the request's body"

    def _pipeline(self, parts: tuple[Command, ...]) -> Iterator[Reached]:
        for part in parts:
            yield from self.command(part)
        last = parts[-1]
        if isinstance(last, Simple) and last.words and last.words[0].source in _SHELLS and len(last.words) == 1:
            source = self.printed(parts[:-1])
            if source:
                yield Reached(source, f"| {last.words[0].source}", last.offset)

    def _for(self, command: For) -> Iterator[Reached]:
        source = next((s for word in command.words or () if (s := self.dirt(word))), "")
        if source:
            self.dirty[command.variable] = source
        yield from self.command(command.body)

    def _case(self, command: Case) -> Iterator[Reached]:
        names = [part.name for part in command.subject.parts if isinstance(part, Parameter)]
        for item in command.items:
            any_value = any(pattern.source.strip("\"'") == "*" for pattern in item.patterns)
            held = {name: self.dirty.pop(name) for name in names if not any_value and name in self.dirty}
            added = {name for name in names if not any_value} - self.clean
            self.clean |= added
            yield from self.command(item.body)
            self.clean -= added
            self.dirty |= held

    def dirt(self, word: Word | None) -> str:
        """The source whose bytes the word's value holds; empty when none."""
        for part in word.parts if word is not None else ():
            if isinstance(part, Parameter) and part.operator != "#length" and part.name not in self.clean:
                if environment().holds(part.name):
                    return f"${part.name}"
                if part.name in self.dirty:
                    return self.dirty[part.name]
            elif isinstance(part, Substitution):
                source = self._substituted(part)
                if source:
                    return source
        return ""

    def _substituted(self, part: Substitution) -> str:
        commands = part.body.commands
        last = commands[-1] if commands else None
        if isinstance(last, Pipeline):
            return self.printed(last.parts)
        return self.printed((last,)) if isinstance(last, Simple) else ""

    def printed(self, parts: tuple[Command, ...]) -> str:
        """The source that a pipeline prints: it starts with `echo $dirty`, and no filter in it cuts the bytes down."""
        first = parts[0] if parts else None
        if not isinstance(first, Simple) or not first.words:
            return ""
        if any(isinstance(part, Simple) and _cuts_down(part) for part in parts):
            return ""
        name = first.words[0].source.rpartition("/")[2]
        if name in ("echo", "printf", "urldecode", "httpd"):
            return next((s for word in first.words[1:] if (s := self.dirt(word))), "")
        if name in _READS_BODY and any("CONTENT_LENGTH" in word.source for word in first.words[1:]):
            return "the request's body"
        return ""


def _cuts_down(command: Simple) -> bool:
    """`tr -cd 0-9`, `tr -dc`, `sed 's/[^a-z]//g'`, `grep -o`, `cut` leaves bytes alone and is none."""
    text = command.source
    if text.startswith("tr ") and ("-cd" in text or "-dc" in text):
        return True
    return (text.startswith("sed ") and "[^" in text and "//" in text) or text.startswith(
        ("md5sum", "wc ", "grep -o", "expr ")
    )
