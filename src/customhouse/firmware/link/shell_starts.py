"""Finding a program on the path, and noting that it is started."""

import tomllib
from importlib.resources import files as resources

from .shell_run import Machine
from .shell_state import Frame, Start, State, Value
from .shell_syntax import Simple
from .shell_words import absolute

TABLE = tomllib.loads(resources(__package__).joinpath("shell_commands.toml").read_text(encoding="utf-8"))
_PATH = "/sbin:/usr/sbin:/bin:/usr/bin:/usr/local/sbin:/usr/local/bin"
MULTI_CALL = ("busybox", "toybox", "toolbox")


def look_up(machine: Machine, name: str, state: State) -> str | None:
    """The path under which a command is found; None when nothing in the image answers to it."""
    if "/" in name:
        path = absolute(name, state)
        return path if machine.files.exists(path) else None
    variable = state.variables.get("PATH")
    folders = variable.text.split(":") if variable is not None and variable.known else []
    for folder in dict.fromkeys([*folders, *_PATH.split(":")]):
        path = f"{folder.rstrip('/')}/{name}"
        if folder.startswith("/") and machine.files.exists(path) and not machine.files.is_directory(path):
            return path
    return None


_QUESTIONS = (["--version"], ["--help"])
_ASKED: dict[str, list[str]] = TABLE["asked"]


def record(
    machine: Machine,
    command: Simple,
    path: str,
    arguments: list[Value],
    state: State,
    frame: Frame,
    *,
    respawn: bool = False,
    user: str = "",
    background: bool = False,
    applet: str = "",
) -> None:
    """Note that a program is started here; one that is only asked something ends at once."""
    asked = _ASKED.get(applet or path.rpartition("/")[2], [])
    said = [argument.text for argument in arguments]
    if said in _QUESTIONS or any(word in asked for word in said):
        return
    real = machine.files.real(path)
    multi = real is not None and real.rpartition("/")[2].startswith(MULTI_CALL)
    base = path.rpartition("/")[2]
    applet = applet or (base if multi and not base.startswith(MULTI_CALL) else "")
    machine.starts.append(
        Start(
            path=path,
            real=real,
            applet=applet,
            arguments=tuple(argument.text for argument in arguments),
            frame=frame,
            guards=state.guards,
            evidence=machine.files.evidence(
                frame.script, " ".join(command.source.split()), frame.base + command.offset
            ),
            background=frame.background or background,
            respawn=respawn or frame.respawn,
            user=user or frame.user,
            via=frame.via,
        )
    )
