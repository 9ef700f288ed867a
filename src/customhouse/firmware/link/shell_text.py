"""What a command prints, where that follows from the image; and commands back as text for reports."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .shell_state import State, Value
from .shell_syntax import AndOr, Case, Command, For, If, Not, Pipeline, Sequence, Simple, Subshell, While
from .shell_tests import test
from .shell_words import absolute, is_volatile
from .uci import setting

if TYPE_CHECKING:
    from .shell_run import Machine

_NOTHING = Value("", known=False)
_MAX_TEXT = 64 * 1024


def text_of(command: Command) -> str:
    """A command in the script's words, on one line."""
    if isinstance(command, Simple):
        return " ".join(command.source.split())
    if isinstance(command, AndOr):
        return f"{text_of(command.left)} {command.operator} {text_of(command.right)}"
    if isinstance(command, Not):
        return f"! {text_of(command.body)}"
    if isinstance(command, Pipeline):
        return " | ".join(text_of(part) for part in command.parts)
    if isinstance(command, Subshell):
        return f"( {text_of(command.body)} )"
    if isinstance(command, Sequence):
        return "; ".join(text_of(part) for part in command.commands)
    return "..."


def assigned(command: Command) -> set[str]:
    """Names that a command may give a value to."""
    return {name for part in walk(command) for name in _names(part)}


def _names(command: Command) -> Iterator[str]:
    if isinstance(command, For):
        yield command.variable
    if isinstance(command, Simple):
        yield from (assignment.name for assignment in command.assignments)
        if command.words and command.words[0].source == "read":
            yield from (word.source for word in command.words[1:] if not word.source.startswith("-"))


def walk(command: Command) -> Iterator[Command]:
    """A command and all that is inside it, functions apart."""
    pending: list[Command] = [command]
    while pending:
        here = pending.pop()
        yield here
        pending.extend(_inside(here))


def _inside(command: Command) -> Iterator[Command]:
    if isinstance(command, Sequence):
        yield from command.commands
    elif isinstance(command, AndOr):
        yield from (command.left, command.right)
    elif isinstance(command, Pipeline):
        yield from command.parts
    elif isinstance(command, If):
        for branch in command.branches:
            yield from (branch.condition, branch.body)
        if command.otherwise is not None:
            yield command.otherwise
    elif isinstance(command, Case):
        yield from (item.body for item in command.items)
    elif isinstance(command, While):
        yield from (command.condition, command.body)
    elif isinstance(command, For | Not | Subshell):
        yield command.body


def capture(machine: "Machine", command: Command, state: State) -> Value:
    """What the command prints, without final newlines; unknown unless it follows from constants and shipped files."""
    made = _printed(machine, command, state)
    return Value(made.text.rstrip("\n"), made.known, made.shipped) if made.known else made


def _printed(machine: "Machine", command: Command, state: State) -> Value:
    if isinstance(command, Sequence) and len(command.commands) == 1:
        return _printed(machine, command.commands[0], state)
    if isinstance(command, AndOr) and command.operator == "&&" and isinstance(command.left, Simple):
        return _after_test(machine, command, state)
    if isinstance(command, Pipeline):
        return _piped(machine, command, state)
    if isinstance(command, Simple):
        words = machine.expand.fields(command.words, state)
        if words and words[0].text in state.functions:
            return _function(machine, words, state)
        if words and all(word.known for word in words):
            return _simple(machine, [word.text for word in words], state, any(word.shipped for word in words), command)
    return _NOTHING


def _function(machine: "Machine", words: list[Value], state: State) -> Value:
    """A function whose last command prints, after others that only set variables."""
    body = state.functions[words[0].text]
    if not isinstance(body, Sequence) or not body.commands or machine.depth > 40:
        return _NOTHING
    if any(text_of(part).startswith(("echo", "printf", "cat")) for part in body.commands[:-1]):
        return _NOTHING
    inside = replace(state, arguments=tuple(words[1:]))
    machine.depth += 8  # captures nest on the host's stack as well
    try:
        before = machine.run(Sequence(body.commands[:-1]), inside, machine.frame)
        return _printed(machine, body.commands[-1], before.normal) if before.normal is not None else _NOTHING
    finally:
        machine.depth -= 8


def _after_test(machine: "Machine", command: AndOr, state: State) -> Value:
    """`[ -f "$1" ] && cat "$1"`: empty where the test fails."""
    words = machine.expand.fields(command.left.words, state) if isinstance(command.left, Simple) else []
    if not words or words[0].text != "[":
        return _NOTHING
    truth = test(words[1:-1], machine.files, state)
    if truth.value is None:
        return _NOTHING
    return _printed(machine, command.right, state) if truth.value else Value("", shipped=truth.shipped)


def _piped(machine: "Machine", command: Pipeline, state: State) -> Value:
    value = _printed(machine, command.parts[0], state)
    for part in command.parts[1:]:
        if not value.known or not isinstance(part, Simple):
            return _NOTHING
        words = machine.expand.fields(part.words, state)
        if not words or not all(word.known for word in words):
            return _NOTHING
        filtered = _filtered([word.text for word in words], value.text)
        value = Value(filtered, shipped=value.shipped) if filtered is not None else _NOTHING
    return value


def _simple(machine: "Machine", words: list[str], state: State, shipped: bool, command: Simple) -> Value:
    name, arguments = words[0].rpartition("/")[2], words[1:]
    if name == "echo":
        return Value(" ".join(word for word in arguments if word not in ("-n", "-e")), shipped=shipped)
    if name == "printf" and len(arguments) == 1 and "%" not in arguments[0]:
        return Value(arguments[0], shipped=shipped)
    if name == "basename" and arguments:
        return Value(arguments[0].rstrip("/").rpartition("/")[2].removesuffix("".join(arguments[1:2])), shipped=shipped)
    if name == "dirname" and arguments:
        return Value(arguments[0].rstrip("/").rpartition("/")[0] or ("/" if arguments[0][:1] == "/" else "."))
    if name == "pwd":
        return Value(state.folder) if state.folder else _NOTHING
    if name == "readlink" and arguments and arguments[0] == "-f":
        real = machine.files.real(absolute(arguments[-1], state))
        return Value(real) if real else _NOTHING
    if name == "uci":
        return _uci(machine, arguments)
    if name in ("ps", "pidof", "pgrep"):
        return _processes(machine, name, arguments)
    if name == "ls":
        return _listed(machine, arguments, state)
    return _from_files(machine, name, arguments, state, command)


def _processes(machine: "Machine", name: str, arguments: list[str]) -> Value:
    """While the device starts, what was started before is what runs; process numbers are made up."""
    running = list(dict.fromkeys(start.path for start in machine.starts))
    if name == "ps":
        return Value("\n".join(f"{pid} root 0 S {path}" for pid, path in enumerate(running, 100)))
    wanted = {word.rpartition("/")[2] for word in arguments if not word.startswith("-")}
    return Value(" ".join(str(pid) for pid, path in enumerate(running, 100) if path.rpartition("/")[2] in wanted))


def _listed(machine: "Machine", arguments: list[str], state: State) -> Value:
    """`ls`: files as they are named, folders by their entries."""
    paths = [word for word in arguments if not word.startswith("-")]
    if any(is_volatile(absolute(path, state)) for path in paths) or {"-l", "-la", "-al", "-R"} & set(arguments):
        return _NOTHING
    lines: list[str] = []
    for path in paths or ["."]:
        where = absolute(path, state)
        folder = machine.files.is_directory(where)
        lines.extend(machine.files.names(where) if folder else ([path] if machine.files.exists(where) else []))
    return Value("\n".join(lines), shipped=True)


def _uci(machine: "Machine", arguments: list[str]) -> Value:
    rest = [word for word in arguments if word != "-q"]
    return setting(machine.files, rest[1]) if len(rest) == 2 and rest[0] == "get" else _NOTHING


def _from_files(machine: "Machine", name: str, arguments: list[str], state: State, command: Simple) -> Value:
    """`cat file` and filters that name their file last."""
    if name == "cat":
        paths, words = arguments, ["cat"]
        redirected = [r.target for r in command.redirects if r.operator == "<" and r.target is not None]
        paths = paths or [machine.expand.single(target, state).text for target in redirected]
    elif name in _FILTERS and arguments:
        paths, words = arguments[-1:], [name, *arguments[:-1]]
    else:
        return _NOTHING
    texts = [read(machine, path, state) for path in paths]
    if not texts or not all(text.known for text in texts):
        return _NOTHING
    made = _filtered(words, "".join(text.text for text in texts))
    return Value(made, shipped=True) if made is not None else _NOTHING


def read(machine: "Machine", path: str, state: State) -> Value:
    """A file's text as shipped; a file that is not there prints nothing."""
    path = absolute(path, state)
    if is_volatile(path) or machine.files.unseen(path):
        return _NOTHING
    text = machine.files.text(path)
    if text is None:
        return _NOTHING if machine.files.exists(path) else Value("", shipped=True)
    return Value(text, shipped=True) if len(text) <= _MAX_TEXT else _NOTHING


def _filtered(words: list[str], text: str) -> str | None:
    name = words[0].rpartition("/")[2]
    if name == "cat":
        return text
    return _FILTERS[name](words[1:], text) if name in _FILTERS else None


def grep(arguments: list[str], text: str) -> str | None:
    """Lines that match; None where the expression is beyond the simple ones that Python reads alike."""
    flags = "".join(word[1:] for word in arguments if word.startswith("-") and word != "-e")
    rest = [word for word in arguments if not word.startswith("-")]
    if len(rest) != 1 or set(flags) - set("qisvFEwe"):
        return None
    pattern = re.escape(rest[0]) if "F" in flags else expression(rest[0], extended="E" in flags)
    if pattern is None:
        return None
    if "w" in flags:
        pattern = rf"\b{pattern}\b"
    try:
        found = re.compile(pattern, re.IGNORECASE if "i" in flags else 0)
    except re.error:
        return None
    kept = [line for line in text.splitlines() if bool(found.search(line[:2000])) != ("v" in flags)]
    return "\n".join(kept)


def expression(text: str, *, extended: bool) -> str | None:
    """A POSIX expression as Python writes it; None for groups and for more than two repetitions (they can run away)."""
    made: list[str] = []
    at = 0
    while at < len(text):
        letter, following = text[at], text[at + 1 : at + 2]
        if letter == "\\" and following:
            special = following in "?+|" and not extended
            made.append(following if special else re.escape(following))
            if following in "({" or following.isdigit():
                return None
            at += 2
            continue
        if letter == "[":
            end = text.find("]", at + 2)
            if end < 0 or "[:" in text[at:end]:
                return None
            made.append("[" + text[at + 1 : end].replace("\\", r"\\").replace("[", r"\[") + "]")
            at = end + 1
            continue
        if extended and letter in "(){}":
            return None
        made.append(letter if letter in ".*^$" or (extended and letter in "?+|") else re.escape(letter))
        at += 1
    repeated = sum(part in ("*", "+") for part in made)
    return "".join(made) if repeated <= 2 else None


def _cut(arguments: list[str], text: str) -> str | None:
    joined = shlex.join(arguments)
    delimiter, field = re.search(r"-d ?(?:'(.)'|(\S))", joined), re.search(r"-f ?(\d+)(?=$|\s)", joined)
    if delimiter is None or field is None:
        return None
    mark, index = delimiter[1] or delimiter[2], int(field[1]) - 1
    rows = [line.split(mark) for line in text.splitlines()]
    return "\n".join(row[index] if len(row) > index else ("" if len(row) > 1 else row[0]) for row in rows)


def _head(arguments: list[str], text: str) -> str | None:
    return "\n".join(text.splitlines()[:1]) if arguments in (["-1"], ["-n1"], ["-n", "1"]) else None


def _tail(arguments: list[str], text: str) -> str | None:
    return "\n".join(text.splitlines()[-1:]) if arguments in (["-1"], ["-n1"], ["-n", "1"]) else None


def _wc(arguments: list[str], text: str) -> str | None:
    return str(len(text.splitlines())) if arguments == ["-l"] else None


def _awk(arguments: list[str], text: str) -> str | None:
    found = re.fullmatch(r"\s*\{\s*print \$(\d)\s*;?\s*\}\s*", arguments[-1]) if arguments else None
    mark = arguments[0][2:] if len(arguments) == 2 and arguments[0].startswith("-F") else None
    if found is None or (len(arguments) > 1 and not mark):
        return None
    index = int(found[1]) - 1
    rows = [line.split(mark) for line in text.splitlines()]
    return "\n".join(row[index] if 0 <= index < len(row) else "" for row in rows)


_FILTERS: dict[str, Callable[[list[str], str], str | None]] = {
    "grep": grep,
    "cut": _cut,
    "head": _head,
    "tail": _tail,
    "awk": _awk,
    "wc": _wc,
}
