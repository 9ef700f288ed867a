"""Android's init: `.rc` files with services and actions.

Source: system/core/init/README.md of AOSP.
"""

import re
from dataclasses import dataclass, field, replace

from .boot_extra import run_path_of_program
from .files import Files
from .shell_run import Machine
from .shell_state import Frame, Guard, State
from .shell_syntax import Simple

_ROOTS = ("/init.rc", "/system/etc/init/hw/init.rc")
_FOLDERS = ("/system/etc/init/*.rc", "/vendor/etc/init/*.rc", "/odm/etc/init/*.rc", "/product/etc/init/*.rc")
_PROPERTIES = ("/default.prop", "/prop.default", "/system/build.prop", "/vendor/build.prop", "/system/etc/prop.default")
_EVENTS = frozenset(
    {"early-init", "init", "late-init", "early-fs", "fs", "post-fs", "late-fs", "post-fs-data", "zygote-start"}
    | {"load_persist_props_action", "firmware_mounts_complete", "early-boot", "boot", "charger", "nonencrypted"}
)
_MAX_FILES = 200


@dataclass
class Declared:
    """A `service` section. `offset` in bytes."""

    name: str
    words: list[str]
    path: str
    offset: int
    options: dict[str, str] = field(default_factory=dict)


@dataclass
class Script:
    """All sections of all files: services, and commands with the triggers that lead to them."""

    services: dict[str, Declared] = field(default_factory=dict)
    commands: list[tuple[str, list[str], str, int]] = field(default_factory=list)


def is_android(files: Files) -> bool:
    return any(files.exists(path) for path in _ROOTS) and (files.exists("/init") or files.exists("/system/bin/init"))


def follow(machine: Machine) -> None:
    """Start what the triggers of an ordinary boot reach."""
    script = Script()
    properties = _read_properties(machine.files)
    waiting = [path for path in _ROOTS if machine.files.exists(path)][:1]
    waiting += [path for folder in _FOLDERS for path in machine.files.glob(folder)]
    seen: set[str] = set()
    while waiting and len(seen) < _MAX_FILES:
        path = waiting.pop(0)
        if path not in seen:
            seen.add(path)
            waiting += read(script, path, machine.files.text(path) or "", properties)
    disabled = {name for name, one in script.services.items() if "disabled" in one.options}
    started: set[str] = set()
    for trigger, words, path, offset in script.commands:
        guards = guards_of(trigger, properties)
        if guards is not None:
            _command(machine, script, words, path, offset, guards, disabled - started, started)


def read(script: Script, path: str, text: str, properties: dict[str, str]) -> list[str]:
    """Add a file's sections; returns the files that it imports."""
    imports: list[str] = []
    service: Declared | None = None
    trigger = ""
    at = 0
    for line in text.replace("\\\n", "  ").splitlines(keepends=True):
        words, here = line.split("#")[0].split(), at
        at += len(line.encode("utf-8", "surrogateescape"))
        if not words:
            continue
        if words[0] == "import" and len(words) > 1:
            imports.append(re.sub(r"\$\{([\w.]+)\}", lambda m: properties.get(m[1], m[0]), words[1]))
        elif words[0] == "service" and len(words) > 2:
            service, trigger = Declared(words[1], words[2:], path, here), ""
            script.services[words[1]] = service
        elif words[0] == "on":
            service, trigger = None, " ".join(words[1:])
        elif service is not None:
            service.options[words[0]] = " ".join(words[1:])
        elif trigger:
            script.commands.append((trigger, words, path, here))
    return imports


def guards_of(trigger: str, properties: dict[str, str]) -> tuple[Guard, ...] | None:
    """The conditions of a trigger; None where an ordinary boot does not come there."""
    guards: list[Guard] = []
    for part in trigger.split(" && "):
        if part in _EVENTS:
            continue
        if not part.startswith("property:"):
            return None
        name, _, value = part[9:].partition("=")
        have = properties.get(name)
        guards.append(Guard(part, None if have is None else have == value or value == "*"))
    return tuple(guards)


def _command(
    machine: Machine,
    script: Script,
    words: list[str],
    path: str,
    offset: int,
    guards: tuple[Guard, ...],
    disabled: set[str],
    started: set[str],
) -> None:
    if words[0] == "start" and len(words) > 1 and words[1] in script.services:
        started.add(words[1])
        _service(machine, script.services[words[1]], path, guards)
    elif words[0] == "class_start" and len(words) > 1:
        for name, one in script.services.items():
            if one.options.get("class", "default").split()[:1] == [words[1]] and name not in disabled:
                started.add(name)
                _service(machine, one, path, guards)
    elif words[0] in ("exec", "exec_start") and "--" in words:
        inner = words[words.index("--") + 1 :]
        frame = Frame(chain=(path,), script=path)
        command = Simple((), (), (), " ".join(words), offset)
        run_path_of_program(machine, command, inner[0], inner[1:], State(guards=guards), frame) if inner else None


def _service(machine: Machine, one: Declared, path: str, guards: tuple[Guard, ...]) -> None:
    chain = (path,) if path == one.path else (path, one.path)
    frame = Frame(
        chain=chain,
        script=one.path,
        user=one.options.get("user", "root"),
        background=True,
        respawn="oneshot" not in one.options,
        via="console console" if "console" in one.options else "init",
    )
    command = Simple((), (), (), f"service {one.name} {' '.join(one.words)}", one.offset)
    run_path_of_program(machine, command, one.words[0], one.words[1:], replace(State(), guards=guards), frame)


def _read_properties(files: Files) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in _PROPERTIES:
        for name, value in re.findall(r"(?m)^([\w.]+)=(.*?)\s*$", files.text(path) or ""):
            found.setdefault(name, value)
    return found
