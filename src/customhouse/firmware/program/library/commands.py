"""Models of what runs a command: system, popen, the exec family, and wrappers around them.

A shell without a command of its own takes what it reads for commands, so it is told what stands for its standard input
there; and the scripts are told that commands run.
"""

import re
from typing import NamedTuple

from ..memory import Memory
from ..state import Content, State
from ..terms import GLOBAL, LOAD
from .called import Actions, Call
from .printing import formatted
from .shells import COMMAND_OPTIONS, INPUT, SHELL, run_by, scripts

STANDARD_INPUT = 0xF7FFFF10
"""A made-up global that stands for the descriptor of a process's standard input."""
_MAX_WORDS = 8
_BUSYBOX = re.compile(r"(^|/)busybox$")


def _command(one: Call) -> int:
    _ran(one, one.text(one.nth(0)))
    return one.result(1)


def _ran(one: Call, content: Content) -> None:
    one.caller.sink(one.state, one.name, content)
    if not content.deps:
        for path in sorted(scripts(content.template)):
            one.caller.note(("script", path))


def _command_stream(one: Call) -> int:
    """popen: a stream that knows its command."""
    content = one.text(one.nth(0))
    _ran(one, content)
    named = one.terms.result("command", content.template if not content.deps else "")
    return one.terms.result(one.caller.site, one.name, (one.nth(0), named))


def _command_words(one: Call) -> int:
    return _command(one)


def _command_format(one: Call) -> int:
    content = formatted(
        one, one.nth(0), lambda count: one.caller.variable_arguments(one.state, one.numbers[0] + 1, count)
    )
    _ran(one, content)
    return one.result(1)


def _execute_list(one: Call) -> int:
    arguments = []
    for term in one.caller.variable_arguments(one.state, 1, 10):
        if one.terms.value(term) == 0:
            break
        arguments.append(term)
    for content, extra in started(one.memory, one.state, one.nth(0), arguments)[0]:
        one.caller.sink(one.state, one.name, content, extra)
    _fed(one, one.nth(0), arguments, -1)
    return one.result(1)


def _execute_vector(one: Call) -> int:
    path, vector = one.nth(0), one.nth(1)
    arguments = vector_of(one.memory, one.state, vector)
    found, open_ = started(one.memory, one.state, path, arguments)
    for content, extra in found:
        one.caller.sink(one.state, one.name, content, extra)
    _fed(one, path, arguments, vector)
    if open_:
        one.caller.start(one.state, one.name, path, vector)
    return one.result(1)


def _fed(one: Call, path: int, arguments: list[int], vector: int) -> None:
    """A program is started that may be a shell without a command of its own, or a script."""
    source = one.memory.load(one.state, one.terms.const(STANDARD_INPUT), 4)
    runs = run(one.memory, one.state, Started(path, vector, source), arguments)
    if isinstance(runs, str):
        one.caller.note(("script", runs))
    elif runs is not None:
        one.caller.shell(one.state, one.name, runs)


class Started(NamedTuple):
    """A program that may be a shell which runs its standard input: terms of its path, of its argument vector, and of
    the descriptor that stands for its standard input. `vector` is -1 when nothing in it matters; path and vector are
    when it is known to be one.
    """

    path: int
    vector: int
    source: int


def run(memory: Memory, state: State, program: Started, arguments: list[int]) -> Started | str | None:
    """What is known here of a program that is started with `arguments`: a shell, the script that it runs, or neither.
    A vector of -1 means that these are all.
    """
    name = memory.text(state, program.path)
    given = [memory.text(state, initial(memory, term)) for term in arguments]
    words = [one.template for one in (name, *given)]
    if any(one.deps for one in given):
        return program if program.vector != -1 and _may_be_shell(name) else None
    if name.deps:
        return program._replace(vector=-1) if run_by(["sh", *words[2:]]) == INPUT else None
    runs = run_by(words_run(words))
    if runs == INPUT:
        return program._replace(path=-1, vector=-1)
    return runs if runs and "%" not in runs else None


def _may_be_shell(program: Content) -> bool:
    return bool(program.deps or SHELL.search(program.template) or _BUSYBOX.search(program.template))


def words_run(texts: list[str]) -> list[str]:
    """The words that a program is run by, of its path and its arguments: what its own name is matters to few."""
    return texts[1:] if _BUSYBOX.search(texts[0]) else [texts[0], *texts[2:]]


def vector_of(memory: Memory, state: State, vector: int) -> list[int]:
    """The words of an argument vector as far as its end."""
    arguments = []
    for index in range(_MAX_WORDS):
        term = memory.load(state, memory.terms.add(vector, index * memory.terms.word), memory.terms.word)
        if memory.terms.value(initial(memory, term)) == 0:
            break
        arguments.append(term)
    return arguments


def initial(memory: Memory, term: int) -> int:
    """A word of initialised data as it is at first: the pattern of an argument vector is copied from there."""
    node = memory.terms.nodes[term]
    if node[0] != LOAD or node[1] != GLOBAL or node[3]:
        return term
    value = memory.image.number(node[2], node[4])
    if value is None or (value and not memory.image.constant(value)):
        return term
    return memory.terms.const(value)


def started(memory: Memory, state: State, path: int, arguments: list[int]) -> tuple[list[tuple[Content, str]], bool]:
    """What starting a program runs as a command: a program's path from outside is a command, and so is what a shell
    with -c is given. Whether more may be found where the arguments are known.
    """
    out: list[tuple[Content, str]] = []
    program = memory.text(state, path)
    if program.deps:
        out.append((program, "path"))
    shell = not program.deps and bool(SHELL.search(program.template))
    texts = [memory.text(state, initial(memory, term)) for term in arguments]
    for index, text in enumerate(texts[:-1]):
        if text.deps or text.template not in COMMAND_OPTIONS:
            continue
        if shell or any(not one.deps and SHELL.search(one.template) for one in texts[:index]):
            out.append((texts[index + 1], ""))
            return out, False
    return out, shell or bool(program.deps)


ACTIONS: Actions = {
    "command": _command,
    "command_stream": _command_stream,
    "command_words": _command_words,
    "command_format": _command_format,
    "execute_list": _execute_list,
    "execute_vector": _execute_vector,
}
