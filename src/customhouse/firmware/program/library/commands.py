"""Models of what runs a command: system, popen, the exec family, and wrappers around them."""

import re

from ..memory import Memory
from ..state import Content, State
from ..terms import GLOBAL, LOAD
from .called import Actions, Call
from .printing import formatted

SHELL = re.compile(r"(^|/)(sh|bash|ash|dash)$")
COMMAND_OPTIONS = frozenset(("-c", "-lc", "-ec"))
_MAX_WORDS = 8


def _command(one: Call) -> int:
    one.caller.sink(one.state, one.name, one.text(one.nth(0)))
    return one.result(1)


def _command_words(one: Call) -> int:
    return _command(one)


def _command_format(one: Call) -> int:
    content = formatted(
        one, one.nth(0), lambda count: one.caller.variable_arguments(one.state, one.numbers[0] + 1, count)
    )
    one.caller.sink(one.state, one.name, content)
    return one.result(1)


def _execute_list(one: Call) -> int:
    arguments = []
    for term in one.caller.variable_arguments(one.state, 1, 10):
        if one.terms.value(term) == 0:
            break
        arguments.append(term)
    for content, extra in started(one.memory, one.state, one.nth(0), arguments)[0]:
        one.caller.sink(one.state, one.name, content, extra)
    return one.result(1)


def _execute_vector(one: Call) -> int:
    path, vector = one.nth(0), one.nth(1)
    found, open_ = started(one.memory, one.state, path, vector_of(one.memory, one.state, vector))
    for content, extra in found:
        one.caller.sink(one.state, one.name, content, extra)
    if open_:
        one.caller.start(one.state, one.name, path, vector)
    return one.result(1)


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
    "command_words": _command_words,
    "command_format": _command_format,
    "execute_list": _execute_list,
    "execute_vector": _execute_vector,
}
