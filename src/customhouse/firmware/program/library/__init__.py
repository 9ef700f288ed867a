"""Calls of the C library and its kin, by the models of `libc.toml`.

A model changes the state and gives the call's result as a term. What a model needs of the evaluation is the small
surface `Caller`. The models lie in rooms by what the functions do; here is what the rest of the engine uses of them.
"""

from typing import Any

from ..state import State
from ..tables import table
from . import commands, copies, outgoing, printing, receiving, services, taking
from .called import Actions, Call, Caller
from .commands import STANDARD_INPUT, Started, run, started, vector_of
from .copies import block_copy, block_fill
from .printing import fill
from .shells import COMMAND_OPTIONS, INPUT, SHELL, run_by, takes_commands

__all__ = [
    "COMMAND_OPTIONS",
    "CONCURRENT",
    "INPUT",
    "MODELS",
    "QUIET",
    "RELEASING",
    "SHELL",
    "STANDARD_INPUT",
    "WAITING",
    "Caller",
    "Started",
    "block_copy",
    "block_fill",
    "call",
    "fill",
    "plain_result",
    "run",
    "run_by",
    "started",
    "takes_commands",
    "vector_of",
]

MODELS: dict[str, list[Any]] = table("libc.toml")["models"]
_ACTIONS: Actions = {
    **copies.ACTIONS,
    **printing.ACTIONS,
    **outgoing.ACTIONS,
    **taking.ACTIONS,
    **receiving.ACTIONS,
    **commands.ACTIONS,
    **services.ACTIONS,
}
_NAMES = table("libc.toml")["names"]
_TABLES = ("__ctype_",)
_CALLING = frozenset(("callback", "search", "handler", "timer"))
_HEARING = frozenset(("receive", "receive_vector", "receive_list", "receive_line", "scan_stream", "given", "watch"))
WAITING = frozenset(_NAMES["waiting"]) | {name for name, model in MODELS.items() if model[0] in _HEARING}
"""Functions that wait: other threads, and handlers of signals, have the time to look at memory."""
RELEASING = WAITING | frozenset(_NAMES["releasing"])
"""Functions behind which another thread may have looked at memory."""
QUIET = frozenset(_NAMES["quiet"]) | {name for name, model in MODELS.items() if model[0] not in _CALLING | _HEARING}
"""Functions in which nobody else has that time: they wait for nothing, and call nothing back."""
CONCURRENT = {name for name, model in MODELS.items() if model[0] in _CALLING} - frozenset(_NAMES["serial"])
"""Functions by which something else comes to run while a function waits."""
_ARITY: dict[str, int] = table("libc.toml")["arity"]
_MOST = 4
"""Arguments of a function of which it is not known how many it takes."""
_READ_ONLY = frozenset(_NAMES["numeric"]) - {"recvmsg", "accept"} | {
    "puts",
    "perror",
    "free",
    "connect",
    "setsockopt",
    "sendto",
    "printf",
}


def call(caller: Caller, state: State, name: str, model: list[Any]) -> int:
    """Apply the model of `name` and return the result's term."""
    action, numbers = str(model[0]), [int(one) for one in model[1:]]
    return _ACTIONS[action](Call(caller, state, name, numbers))


def plain_result(caller: Caller, state: State, name: str) -> int:
    """The result of a function without a model: a value named by its arguments. Tables of characters are one wherever
    they are asked for.
    """
    if name.startswith(_TABLES):
        return caller.terms.result(name, name)
    arguments = tuple(caller.argument(state, index) for index in range(_ARITY.get(name, _MOST)))
    if name not in _READ_ONLY:
        for one in arguments:
            caller.memory.forget(state, one)
    return caller.terms.result(caller.site, name, arguments)
