"""systemd: the units that the default target wants, and what they run.

Source: systemd.unit(5), systemd.service(5), systemd.socket(5). Generators and presets are not run.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from .boot_extra import run_path_of_program
from .shell_run import Machine
from .shell_state import Frame, Guard, State, Truth, Value
from .shell_syntax import Simple
from .shell_tests import file_test

_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")  # fmt: skip # noqa: E501
_ALWAYS = ("sysinit.target", "basic.target", "sockets.target", "timers.target", "paths.target")
_MAX_UNITS = 600
_CONDITIONS = {
    "ConditionPathExists": "-e",
    "ConditionPathIsDirectory": "-d",
    "ConditionFileNotEmpty": "-s",
    "ConditionPathIsSymbolicLink": "-L",
    "ConditionFileIsExecutable": "-x",
}


@dataclass
class Unit:
    """One unit file: (key, value, offset in bytes) of each section, continuation lines joined."""

    path: str
    values: list[tuple[str, str, str, int]] = field(default_factory=list)

    def all(self, key: str, section: str = "") -> list[str]:
        return [value for where, name, value, _ in self.values if name == key and (not section or where == section)]

    def first(self, key: str) -> str:
        found = self.all(key)
        return found[-1] if found else ""


def unit(path: str, text: str) -> Unit:
    """Read a unit file; lines that are none are passed over."""
    made = Unit(path)
    section = ""
    at = 0
    held, held_at = "", 0
    for line in text.splitlines(keepends=True):
        here, at = at, at + len(line.encode("utf-8", "surrogateescape"))
        stripped = line.strip()
        if stripped.startswith(("#", ";")):
            continue
        if stripped.endswith("\\"):
            held, held_at = held + stripped[:-1] + " ", held_at if held else here
            continue
        whole, where = held + stripped, held_at if held else here
        held = ""
        if whole.startswith("[") and whole.endswith("]"):
            section = whole[1:-1]
        elif "=" in whole:
            key, _, value = whole.partition("=")
            made.values.append((section, key.strip(), value.strip(), where))
    return made


def follow(machine: Machine, path: str) -> None:
    """Start everything that the default target pulls in."""
    waiting = [*_ALWAYS, _default(machine)]
    seen: dict[str, Unit | None] = {}
    while waiting and len(seen) < _MAX_UNITS:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen[name] = _load(machine, name)
        found = seen[name]
        waiting.extend(_pulled(machine, name, found))
        if found is not None and name.endswith(".service"):
            _start(machine, name, found, (path,))
        elif found is not None and name.endswith(".socket"):
            _socket(machine, name, found, path)
    if waiting:
        machine.budget.cut("systemd", f"more than {_MAX_UNITS} units")
    _numbered_scripts(machine, set(seen))


def _default(machine: Machine) -> str:
    for folder in _FOLDERS:
        node = machine.files.nodes.get(f"{folder}/default.target")
        if node is not None and node.target:
            return node.target.rpartition("/")[2]
    return "multi-user.target"


def _load(machine: Machine, name: str) -> Unit | None:
    """A unit with its drop-ins; None when it is masked or not there."""
    stem, at, rest = name.partition("@")
    names = [name] + ([f"{stem}@.{rest.rpartition('.')[2]}"] if at else [])
    for candidate in names:
        for folder in _FOLDERS:
            path = f"{folder}/{candidate}"
            node = machine.files.nodes.get(path)
            if node is not None and node.target == "/dev/null":
                return None
            text = machine.files.text(path)
            if text:
                made = unit(path, text)
                for extra in sorted(
                    {drop for base in _FOLDERS for drop in machine.files.glob(f"{base}/{candidate}.d/*.conf")}
                ):
                    _drop_in(made, unit(extra, machine.files.text(extra) or ""))
                return made
    return None


def _drop_in(made: Unit, extra: Unit) -> None:
    for section, key, value, offset in extra.values:
        if not value:  # an empty value takes back what was said before
            made.values = [row for row in made.values if row[1] != key]
        else:
            made.values.append((section, key, value, offset))


def _pulled(machine: Machine, name: str, found: Unit | None) -> Iterator[str]:
    for folder in _FOLDERS:
        for kind in ("wants", "requires"):
            yield from machine.files.names(f"{folder}/{name}.{kind}")
    if found is not None:
        for key in ("Wants", "Requires", "BindsTo", "Requisite", "Sockets"):
            for value in found.all(key):
                yield from (word for word in value.split() if word.endswith((".target", ".service", ".socket")))


def _start(machine: Machine, name: str, found: Unit, above: tuple[str, ...], *, via: str = "systemd") -> None:
    state = _environment(machine, found, State())
    state = state.guarded(*_conditions(machine, found))
    instance = name.partition("@")[2].rpartition(".")[0]
    console = re.match(r"(?:serial-)?getty@|console-getty|console-shell|debug-shell", name)
    frame = Frame(
        chain=(*above, found.path),
        script=found.path,
        user=found.first("User") or "root",
        background=found.first("Type") != "oneshot",
        respawn=found.first("Restart") not in ("", "no"),
        via=f"console {instance or 'console'}" if console else via,
    )
    for section, key, value, offset in found.values:
        if section == "Service" and key in ("ExecStartPre", "ExecStart", "ExecStartPost"):
            _execute(machine, value, instance, state, frame, offset)


def _execute(machine: Machine, value: str, instance: str, state: State, frame: Frame, offset: int) -> None:
    text = value.lstrip("@-:+!")
    for mark, put in (("%i", instance), ("%I", instance), ("%%", "%")):
        text = text.replace(mark, put)
    try:
        words = shlex.split(text)
    except ValueError:
        machine.budget.cut(f"unit {frame.script}", "a command line could not be read")
        return
    known: list[str] = []
    for word in words:
        known.extend(_expanded(word, state))
    if known:
        command = Simple((), (), (), value, offset)
        run_path_of_program(machine, command, known[0], known[1:], state, frame)


def _expanded(word: str, state: State) -> list[str]:
    """`$NAME` alone is split into words, `${NAME}` is not (systemd.service, "Command lines")."""
    alone = re.fullmatch(r"\$(\w+)", word)
    if alone is not None:
        value = state.variables.get(alone[1], Value(""))
        return value.text.split() if value.known else [word]

    def put(match: re.Match[str]) -> str:
        value = state.variables.get(match[1], Value(""))
        return value.text if value.known else match[0]

    return [re.sub(r"\$\{(\w+)\}", put, word)]


def _environment(machine: Machine, found: Unit, state: State) -> State:
    for value in found.all("EnvironmentFile"):
        path = value.lstrip("-")
        text = machine.files.text(path)
        names = re.findall(r"(?m)^\s*(?:export\s+)?(\w+)=[\"']?([^\"'\n]*)", text or "")
        for name, content in names:
            state = state.let(name, Value(content, shipped=True))
    for value in found.all("Environment"):
        for name, content in re.findall(r"\"?(\w+)=([^\s\"]*)", value):
            state = state.let(name, Value(content))
    return state


def _conditions(machine: Machine, found: Unit) -> Iterator[Guard]:
    for key, operator in _CONDITIONS.items():
        for value in found.all(key):
            denied = value.startswith("!")
            truth = file_test(operator, value.lstrip("!|"), machine.files)
            truth = truth.negated() if denied else truth
            if truth != Truth(True):
                yield Guard(f"{key}={value}", truth.value)
    for value in found.all("ConditionVirtualization"):
        if not value.lstrip("|").startswith("!"):  # a device is no virtual machine
            yield Guard(f"ConditionVirtualization={value}", holds=False)
    for key in ("ConditionKernelCommandLine", "ConditionFirstBoot", "ConditionSecurity"):
        for value in found.all(key):
            yield Guard(f"{key}={value}", None)


def _socket(machine: Machine, name: str, found: Unit, path: str) -> None:
    """A listening socket starts its service with the first connection."""
    stem = name.removesuffix(".socket")
    service = found.first("Service") or (f"{stem}@.service" if found.first("Accept") == "yes" else f"{stem}.service")
    made = _load(machine, service)
    listened = [(key, value) for _, key, value, _ in found.values if key in ("ListenStream", "ListenDatagram")]
    if made is None or not listened:
        return
    key, value = listened[0]
    port = value.rpartition(":")[2]
    via = f"inetd {port}/{'udp' if key == 'ListenDatagram' else 'tcp'}" if port.isdigit() else "systemd"
    _start(machine, service, made, (path, found.path), via=via)


def _numbered_scripts(machine: Machine, seen: set[str]) -> None:
    """systemd's own generator wraps the numbered links of scripts that have no unit."""
    for link in (*machine.files.glob("/etc/rc5.d/S*"), *machine.files.glob("/etc/rc3.d/S*")):
        name = re.sub(r"^S\d+", "", link.rpartition("/")[2])
        if f"{name}.service" not in seen and _load(machine, f"{name}.service") is None:
            seen.add(f"{name}.service")
            frame = Frame(chain=("/sbin/init",), script=link)
            told = Simple((), (), (), f"{link} start", 0)
            run_path_of_program(machine, told, link, ["start"], State(), frame)
