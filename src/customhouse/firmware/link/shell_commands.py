"""What a simple command means: functions, built-ins of the shell, and everything else to `shell_programs`."""

from collections.abc import Callable
from dataclasses import replace

from . import shell_openwrt, shell_programs
from .shell_run import Machine
from .shell_starts import look_up
from .shell_state import NO, UNKNOWN, YES, Ends, Frame, State, Truth, Value
from .shell_syntax import Command, Simple
from .shell_tests import file_test, test
from .shell_text import grep, read, walk
from .shell_words import absolute, is_volatile, lookup

Builtin = Callable[[Machine, Simple, list[Value], State, Frame], Ends]


def simple_command(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """Functions first, as the shell does; those of OpenWrt's libraries are modelled instead of followed."""
    name = words[0]
    if not name.known:
        return Ends(state, UNKNOWN)
    model = shell_openwrt.MODELS.get(name.text)
    if model is not None and (name.text in state.functions or shell_openwrt.is_openwrt(machine)):
        return model(machine, command, words, state, frame, call_function)
    if name.text in state.functions:
        return call_function(machine, words, state, frame)
    if name.text in _BUILTINS:
        return _BUILTINS[name.text](machine, command, words, state, frame)
    return shell_programs.run_program(machine, command, words, state, frame)


def call_function(machine: Machine, words: list[Value], state: State, frame: Frame) -> Ends:
    """A function in the same shell: its locals go, its other variables stay."""
    name = words[0].text
    body = state.functions.get(name)
    if body is None:
        return Ends(state, UNKNOWN)
    key = f"{frame.script} {name}() {' '.join(word.text for word in words[1:])}"
    if key in frame.once or frame.once.count(f"{name}()") > 3:
        machine.budget.cut(f"script {frame.script}", f"function {name} calls itself")
        return Ends(state, UNKNOWN)
    inside = replace(state, arguments=tuple(words[1:]))
    ends = machine.run(body, inside, replace(frame, once=(*frame.once, key, f"{name}()")))
    ends = ends if ends.returned is None else _returned(ends)
    if ends.normal is None:
        return Ends(None)
    variables = dict(ends.normal.variables)
    for local in _locals(body):
        if local in state.variables:
            variables[local] = state.variables[local]
        else:
            variables.pop(local, None)
    return Ends(replace(ends.normal, variables=variables, arguments=state.arguments), ends.status)


def _returned(ends: Ends) -> Ends:
    return Ends(ends.normal, ends.status).meets(Ends(ends.returned, ends.answer))


def _locals(body: Command) -> set[str]:
    names: set[str] = set()
    for part in walk(body):
        if isinstance(part, Simple) and part.words and part.words[0].source == "local":
            names |= {word.source.partition("=")[0] for word in part.words[1:]}
            names |= {assignment.name for assignment in part.assignments}
    return names


def _test(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    opening = words[0].text
    inside = words[1:-1] if opening in ("[", "[[") and words[-1].text in ("]", "]]") else words[1:]
    return Ends(state, test(inside, machine.files, state, double=opening == "[["))


def _true(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    return Ends(state, YES)


def _false(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    return Ends(state, NO)


def _exit(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    return Ends(None, NO if len(words) > 1 and words[1].text.isdigit() and words[1].text != "0" else YES)


def _return(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    answer = YES
    if len(words) > 1:
        word = words[1]
        answer = Truth(word.text == "0", word.shipped) if word.known and word.text.isdigit() else UNKNOWN
    return Ends(None, returned=state, answer=answer)


def _break(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    return Ends(None, left=state, breaks=words[0].text == "break")


def _cd(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    if len(words) < 2 or not words[1].known or words[1].text == "-":
        return Ends(replace(state, folder=""), YES)
    path = absolute(words[1].text, state)
    there = file_test("-d", path, machine.files)
    return Ends(replace(state, folder=path), YES if there.value is None else there)


def _declare(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """Assignments were made before the command was looked at; `local x` starts empty."""
    for word in words[1:]:
        name, equals, text = word.text.partition("=")
        if equals and name.isidentifier():
            state = state.let(name, Value(text, word.known, word.shipped))
        elif words[0].text == "local" and name.isidentifier():
            assigned = any(assignment.name == name for assignment in command.assignments)
            state = state if assigned else state.let(name, Value(""))
    return Ends(state, YES)


def _unset(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    for word in words[1:]:
        state = state.let(word.text, Value(""))
    return Ends(state, YES)


def _set(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    for index, word in enumerate(words[1:], 1):
        if word.text == "--" or not word.text.startswith(("-", "+")):
            start = index + 1 if word.text == "--" else index
            return Ends(replace(state, arguments=tuple(words[start:])), YES)
    return Ends(state, YES)


def _shift(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    count = int(words[1].text) if len(words) > 1 and words[1].text.isdigit() else 1
    return Ends(replace(state, arguments=state.arguments[min(count, len(state.arguments)) :]), YES)


def _read(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    for word in words[1:]:
        if word.text.isidentifier():
            state = state.let(word.text, Value(f"${word.text}", known=False))
    return Ends(state, UNKNOWN)


def _eval(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    if not all(word.known for word in words[1:]):
        return Ends(replace(state, blind=True), UNKNOWN)
    text = " ".join(word.text for word in words[1:])
    return machine.run(machine.script(frame.script, text).body, state, frame)


def _source(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`. file`: in the same shell. A file that cannot be read may set anything."""
    if len(words) < 2 or not words[1].known:
        return Ends(replace(state, blind=True), UNKNOWN)
    path = absolute(words[1].text, state)
    if path in shell_openwrt.LIBRARIES and shell_openwrt.is_openwrt(machine):
        return Ends(state, YES)
    text = machine.files.text(path)
    key = f". {path}"
    if text is None or key in frame.once or len(frame.once) > 200:
        missing = not machine.files.exists(path) and not is_volatile(path) and not machine.files.unseen(path)
        return Ends(replace(state, blind=state.blind or not missing), NO if missing else UNKNOWN)
    inside = state if len(words) == 2 else replace(state, arguments=tuple(words[2:]))
    # What the sourced file starts is started by it: it is the file that a reader has to look at.
    deeper = replace(frame.into(path, key), depth=frame.depth)
    ends = machine.run(machine.script(path, text).body, inside, deeper)
    ends = ends if ends.returned is None else _returned(ends)
    if ends.normal is None:
        return ends
    return Ends(replace(ends.normal, arguments=state.arguments, name=state.name), ends.status)


def _which(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    wanted = [word for word in words[1:] if not word.text.startswith("-")]
    if not wanted or not all(word.known for word in wanted):
        return Ends(state, UNKNOWN)
    name = wanted[-1].text
    if name in state.functions or name in _BUILTINS:
        return Ends(state, YES)
    found = look_up(machine, name, state)
    return Ends(state, YES if found is not None else Truth(False, shipped=True))


def _command(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    if len(words) > 1 and words[1].text in ("-v", "-V"):
        return _which(machine, command, words, state, frame)
    return shell_programs.run_program(machine, command, words, state, frame)


def _grep(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`grep pattern file...` over files of the image."""
    if not all(word.known for word in words):
        return Ends(state, UNKNOWN)
    texts = [word.text for word in words[1:]]
    plain = [text for text in texts if not text.startswith("-") or text == "-"]
    if len(plain) < 2:
        return Ends(state, UNKNOWN)
    options = [text for text in texts if text.startswith("-")]
    contents = [read(machine, path, state) for path in plain[1:]]
    found = grep([*options, plain[0]], "\n".join(content.text for content in contents))
    if found is None or not all(content.known for content in contents):
        return Ends(state, UNKNOWN)
    return Ends(state, Truth(bool(found), shipped=True))


def _result(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`getopts`, `wait $!` and others whose answer is only known while running."""
    for word in words[1:]:
        if word.text.isidentifier() and not lookup(word.text, state).known:
            state = state.let(word.text, Value(f"${word.text}", known=False))
    return Ends(state, UNKNOWN)


_BUILTINS: dict[str, Builtin] = {
    **dict.fromkeys(("[", "[[", "test"), _test),
    **dict.fromkeys((":", "true", "include", "wait", "umask", "ulimit", "trap", "alias", "unalias", "times"), _true),
    **dict.fromkeys(("jobs", "fg", "bg", "shopt", "enable"), _true),
    "false": _false,
    "exit": _exit,
    "return": _return,
    **dict.fromkeys(("break", "continue"), _break),
    **dict.fromkeys(("cd", "chdir"), _cd),
    **dict.fromkeys(("export", "local", "readonly", "declare", "typeset"), _declare),
    "unset": _unset,
    "set": _set,
    "shift": _shift,
    "read": _read,
    "eval": _eval,
    **dict.fromkeys((".", "source"), _source),
    **dict.fromkeys(("which", "type", "hash"), _which),
    "command": _command,
    **dict.fromkeys(("grep", "egrep", "fgrep"), _grep),
    **dict.fromkeys(("getopts", "let"), _result),
}
