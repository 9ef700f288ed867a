"""Following a start script: which programs does it run, with what arguments, under which conditions?

An abstract interpreter over `shell_syntax`. It runs nothing: a program that is met becomes a `Start`. Where a test
cannot be decided from the image both paths are followed, each under a guard; where the image decides it, the other
path is followed too, marked as not taken. Steps, depth and loops are bounded, and what was cut is named in the budget.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from customhouse.model import Digest

from .files import Files
from .mounts import Partitions
from .shell_parse import parse
from .shell_state import NO, UNKNOWN, YES, Budget, Ends, Frame, Guard, Start, State, Truth, Value, join
from .shell_syntax import (
    AndOr,
    Case,
    Command,
    For,
    Function,
    If,
    Not,
    Pipeline,
    Script,
    Sequence,
    Simple,
    Subshell,
    While,
)
from .shell_tests import matches, or_
from .shell_text import assigned, capture, text_of
from .shell_words import Expander

_MAX_DEPTH = 60
_MAX_TURNS = 300
_MAX_GUARD = 300


class Commands(Protocol):
    """What a simple command does, given its expanded words."""

    def __call__(self, machine: "Machine", command: Simple, words: list[Value], state: State, frame: Frame) -> Ends: ...


@dataclass
class Machine:
    """One device being started. `files` changes as partitions are mounted; `starts` grows."""

    files: Files
    commands: Commands
    budget: Budget = field(default_factory=Budget)
    starts: list[Start] = field(default_factory=list)
    partitions: Partitions | None = None
    instance: list[Value] = field(default_factory=list)
    """The procd instance that is being described: its command line so far."""
    instance_guards: tuple[Guard, ...] = ()
    instance_options: dict[str, str] = field(default_factory=dict)
    not_here: dict[str, str] = field(default_factory=dict)
    """Devices that are mounted and that the image does not hold, by mount point."""
    contents: Mapping[Digest, Path] = field(default_factory=dict)
    """Bytes by digest, for what the facts do not tell."""
    installed: str = ""
    """The busybox that a script told to make links for all of its applets."""
    seen: set[str] = field(default_factory=set)
    """Scripts that were run or sourced."""
    depth: int = 0
    parsed: dict[str, Script] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.expand = Expander(lambda: self.files, self._substitute)
        self.frame = Frame()

    def script(self, path: str, text: str, *, quiet: bool = False) -> Script:
        """The parsed script; damage is told once. `quiet` for text that may not be shell at all."""
        self.seen.add(path)
        if text not in self.parsed:
            self.parsed[text] = made = parse(text)
            if made.damage and not quiet:
                self.budget.cut(f"script {path}", f"could not be parsed near: {made.damage[0]}")
        return self.parsed[text]

    def _substitute(self, body: Sequence, state: State) -> Value:
        """What a command substitution prints; where that is not known, what it starts still counts."""
        value = capture(self, body, state)
        if not value.known and self.depth < _MAX_DEPTH // 2:
            before = len(self.starts)
            self.aside(body, state, replace(self.frame, background=False))
            # A program that is asked for its output is a tool at work, even where it can also serve.
            self.starts[before:] = [one for one in self.starts[before:] if one.background or _is_telnet(one)]
        return value

    def run(self, command: Command, state: State, frame: Frame) -> Ends:
        if self.depth >= _MAX_DEPTH:
            self.budget.cut(f"script {frame.script}", "nested too deeply")
            return Ends(state, UNKNOWN)
        self.depth += 1
        above, self.frame = self.frame, frame
        try:
            return self._run(command, state, frame)
        finally:
            self.depth -= 1
            self.frame = above

    def _run(self, command: Command, state: State, frame: Frame) -> Ends:
        if isinstance(command, Simple):
            return self._simple(command, state, frame)
        if isinstance(command, Sequence):
            return self._sequence(command, state, frame)
        if isinstance(command, AndOr):
            return self._and_or(command, state, frame)
        if isinstance(command, If):
            return self._if(command, state, frame)
        if isinstance(command, Case):
            return self._case(command, state, frame)
        if isinstance(command, For):
            return self._for(command, state, frame)
        if isinstance(command, While):
            return self._while(command, state, frame)
        return self._plain(command, state, frame)

    def _plain(self, command: Command, state: State, frame: Frame) -> Ends:
        if isinstance(command, Not):
            ends = self.run(command.body, state, frame)
            return replace(ends, status=ends.status.negated())
        if isinstance(command, Function):
            return Ends(replace(state, functions={**state.functions, command.name: command.body}))
        if isinstance(command, Subshell):
            return Ends(state, self.aside(command.body, state, frame))
        if isinstance(command, Pipeline):
            return Ends(state, self._pipeline(command, state, frame))
        return Ends(state, UNKNOWN)

    def aside(self, command: Command, state: State, frame: Frame) -> Truth:
        """In a process of its own: nothing but the status comes back."""
        ends = self.run(command, state, frame)
        return ends.status if ends.normal is not None else UNKNOWN

    def _sequence(self, sequence: Sequence, state: State, frame: Frame) -> Ends:
        ends = Ends(state)
        for index, command in enumerate(sequence.commands):
            now = ends.normal
            if now is None:
                break
            if index in sequence.background:
                self.aside(command, now, replace(frame, background=True))
                ends = ends.then(Ends(now))
            else:
                ends = ends.then(self.run(command, now, frame))
        return ends

    def _simple(self, command: Simple, state: State, frame: Frame) -> Ends:
        if not self.budget.spend():
            self.budget.cut("start scripts", "more steps than the budget allows")
            return Ends(None)
        words = self.expand.fields(command.words, state)
        for assignment in command.assignments:
            value = self.expand.single(assignment.value, state)
            before = state.variables.get(assignment.name)
            if assignment.append and before is not None:
                known = before.known and value.known
                value = Value(before.text + value.text, known, before.shipped or value.shipped)
            state = state.let(assignment.name, value)
        if not words:
            return Ends(state, YES if not command.words else UNKNOWN)
        return self.commands(self, command, words, state, frame)

    # -- branches

    def fork(self, truth: Truth, text: str, state: State) -> tuple[State | None, State | None]:
        """The states in which a test succeeded and failed; None where that cannot be."""
        if truth.value is not None and not truth.shipped:
            return (state, None) if truth.value else (None, state)
        text = text[:_MAX_GUARD]
        opposite = None if truth.value is None else not truth.value
        return state.guarded(Guard(text, truth.value)), state.guarded(Guard(f"! ( {text} )", opposite))

    def _and_or(self, command: AndOr, state: State, frame: Frame) -> Ends:
        first = self.run(command.left, state, frame)
        if first.normal is None:
            return first
        yes, no = self.fork(first.status, text_of(command.left), first.normal)
        going, staying = (yes, no) if command.operator == "&&" else (no, yes)
        stopped = Ends(staying, NO if command.operator == "&&" else YES)
        if going is None:
            return first.then(stopped)
        second = self.run(command.right, going, frame)
        if staying is not None and first.status.value is None and _is_exception(command.left, second):
            staying = replace(staying, guards=first.normal.guards)
            return first.then(second.meets(Ends(staying, stopped.status)))
        return first.then(second.meets(stopped) if staying is not None else second)

    def _if(self, command: If, state: State, frame: Frame) -> Ends:
        before, made = Ends(state), Ends(None)
        rest: State | None = state
        for branch in command.branches:
            if rest is None:
                break
            test = self.run(branch.condition, rest, frame)
            before = before.then(replace(test, normal=None))
            if test.normal is None:
                rest = None
                break
            yes, rest = self.fork(test.status, branch.source, test.normal)
            if yes is None:
                continue
            ends = self.run(branch.body, yes, frame)
            made = made.meets(ends)
            if rest is not None and test.status.value is None and _is_exception(branch.condition, ends, branch.body):
                rest = replace(rest, guards=test.normal.guards)
        if rest is not None:
            last = self.run(command.otherwise, rest, frame) if command.otherwise is not None else Ends(rest)
            made = made.meets(last)
        return before.then(made)

    def _case(self, command: Case, state: State, frame: Frame) -> Ends:
        subject = self.expand.single(command.subject, state)
        made = Ends(None)
        rest: State | None = state
        falls = False
        for item in command.items:
            if rest is None:
                break
            truth = YES if falls else self._fits(subject, item.patterns, rest)
            text = f"{command.subject.source} is {' | '.join(p.source for p in item.patterns)}"
            yes, rest = self.fork(truth, text, rest)
            if yes is None:
                continue
            ends = self.run(item.body, yes, frame)
            falls = item.falls_through
            rest = ends.normal if falls else rest
            made = made.meets(replace(ends, normal=None) if falls else ends)
        return made.meets(Ends(rest)) if rest is not None else made

    def _fits(self, subject: Value, patterns: tuple[object, ...], state: State) -> Truth:
        truth = NO
        for word in patterns:
            pattern = self.expand.single(word, state)  # type: ignore[arg-type]
            if pattern.known and pattern.text == "*":
                return YES
            one = UNKNOWN
            if subject.known and pattern.known:
                one = Truth(matches(subject.text, pattern.text), subject.shipped or pattern.shipped)
            truth = or_(truth, one)
        return truth

    # -- loops

    def _for(self, command: For, state: State, frame: Frame) -> Ends:
        values = list(state.arguments) if command.words is None else self.expand.fields(command.words, state)
        if len(values) > _MAX_TURNS:
            self.budget.cut(f"script {frame.script}", f"a loop of {len(values)} turns was followed for {_MAX_TURNS}")
        ends = Ends(state)
        for value in values[:_MAX_TURNS]:
            if ends.normal is None:
                break
            turn = self.run(command.body, ends.normal.let(command.variable, value), frame)
            stop = turn.normal is None and turn.breaks
            turn = replace(turn, normal=join(turn.normal, turn.left), left=None, breaks=False)
            ends = ends.then(turn)
            if stop:
                break
        return ends

    def _while(self, command: While, state: State, frame: Frame) -> Ends:
        inside = state
        for name in assigned(command.body) | assigned(command.condition):
            inside = inside.let(name, Value(f"${name}", known=False))
        test = self.run(command.condition, inside, frame)
        if test.normal is None:
            return test
        truth = test.status.negated() if command.until else test.status
        yes, no = self.fork(truth, command.source, test.normal)
        if yes is None:
            return Ends(state)
        forever = truth == YES and bool(command.source)
        ends = self.run(command.body, yes, replace(frame, respawn=frame.respawn or forever))
        after = ends.left if forever else join(join(no, ends.normal), ends.left)
        if after is not None:
            after = replace(after, guards=tuple(guard for guard in after.guards if guard in state.guards))
        return Ends(after, UNKNOWN, ends.returned, ends.answer)

    def _pipeline(self, command: Pipeline, state: State, frame: Frame) -> Truth:
        printed = capture(self, command, state)
        status = UNKNOWN
        for part in command.parts:
            status = self.aside(part, state, frame)
        if printed.known and isinstance(command.parts[-1], Simple) and command.parts[-1].source.startswith("grep"):
            return Truth(bool(printed.text), printed.shipped)
        return status


def _is_exception(condition: Command, taken: Ends, body: Sequence | None = None) -> bool:
    """Whether a branch gives up with a failure after a program told of one: `ifconfig x || exit 1`.

    Then the other path is the one that the device is made for. Tests of values are not meant: `[ "$on" = 1 ] || exit 1`
    is how a service is switched off. A needed value that is missing, and is complained of, is such a failure too.
    """
    quits = taken.normal is None and taken.left is None
    failed = taken.answer.value is False if taken.returned is not None else taken.status.value is False
    if not (quits and failed):
        return False
    while isinstance(condition, Not | Sequence):
        inside = (condition.body,) if isinstance(condition, Not) else condition.commands
        if len(inside) != 1:
            return False
        condition = inside[0]
    words = [word.source for word in condition.words] if isinstance(condition, Simple) else []
    if words[:2] == ["[", "-z"] and len(words) == 4 and body is not None:
        return any(text_of(part).startswith(("echo", "error", "log", "printf")) for part in body.commands)
    name = words[0].rpartition("/")[2] if words else "["
    return name not in _ASK_VALUES and not name.startswith(("nvram", "uci", "cfg", "$"))


def _is_telnet(start: Start) -> bool:
    """telnetd never answers and goes: it prints nothing worth asking for."""
    return "telnetd" in (start.applet or start.path)


_ASK_VALUES = frozenset(
    {"[", "[[", "test", "grep", "egrep", "fgrep", "fw_printenv", "ping", "cmp", "pidof", "eval", "read"}
)
