"""OpenRC's service scripts: a start function, or variables that name the program.

Source: openrc-run(8).
"""

import shlex
from dataclasses import replace

from .shell_run import Machine
from .shell_state import UNKNOWN, YES, Frame, State, Truth, Value
from .shell_syntax import Simple
from .shell_words import lookup

INTERPRETERS = frozenset({"openrc-run", "runscript"})


def run_openrc(machine: Machine, path: str, arguments: list[Value], state: State, frame: Frame) -> Truth:
    """Its settings from conf.d, then the script, then `start` or the program of `command=`."""
    key = f"{machine.files.real(path)} openrc"
    if key in frame.once or (arguments and arguments[0].text not in ("start", "restart")):
        return YES
    name = path.rpartition("/")[2]
    inside = replace(state, functions={}, arguments=(), name=path).let("RC_SVCNAME", Value(name))
    frame = frame.into(path, key)
    for text in (machine.files.text(f"/etc/conf.d/{name}"), machine.files.text(path)):
        ends = machine.run(machine.script(path, text or "").body, inside, frame)
        if ends.normal is None:
            return UNKNOWN
        inside = ends.normal
    if "start" in inside.functions:
        return machine.commands(machine, Simple((), (), (), "start", 0), [Value("start")], inside, frame).status
    return _program(machine, inside, frame)


def _program(machine: Machine, state: State, frame: Frame) -> Truth:
    command, given = lookup("command", state), lookup("command_args", state)
    if not (command.known and command.text):
        return UNKNOWN
    try:
        words = shlex.split(given.text) if given.known else [given.text]
    except ValueError:
        words = given.text.split()
    user = lookup("command_user", state).text.partition(":")[0]
    deeper = replace(frame, user=user or frame.user, background=True)
    text = f"command={command.text} {given.text}"
    values = [command, *(Value(word, known="$" not in word, shipped=given.shipped) for word in words)]
    return machine.commands(machine, Simple((), (), (), text, 0), values, state, deeper).status
