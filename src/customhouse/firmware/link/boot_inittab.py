"""inittab, of busybox and of System V; rcS and the folders of numbered links.

Sources: busybox init/init.c, inittab(5) of sysvinit, OpenWrt procd inittab.c (whose `rcS` is built in).
"""

import re
from dataclasses import dataclass

from .daemons import is_shell
from .files import Files
from .shell_programs import run_path
from .shell_run import Machine
from .shell_state import Frame, State, Value
from .shell_syntax import Simple

INITTAB = "/etc/inittab"
_ELSEWHERE = ("/etc/inittab", "/etc_ro/inittab", "/etc.defaults/inittab", "/etc/default/inittab")
_AT_START = (
    "sysinit",
    "boot",
    "bootwait",
    "wait",
    "once",
    "respawn",
    "askfirst",
    "askconsole",
    "respawnlate",
    "ondemand",
)
_AGAIN = ("respawn", "askfirst", "askconsole", "respawnlate")
_SHELL_RC = re.compile(r"^\S*/rc(?:\.sysinit|S)?\s+([0-9Ss])\b")


@dataclass(frozen=True)
class Entry:
    """One line. `offset` in bytes, of the process field."""

    id: str
    levels: str
    action: str
    process: str
    offset: int


def entries(text: str) -> list[Entry]:
    """All entries in the order in which init runs them."""
    made: list[Entry] = []
    at = 0
    for line in text.splitlines(keepends=True):
        fields = line.strip().split(":", 3)
        if len(fields) == 4 and not line.lstrip().startswith("#"):
            process = fields[3].split(" #")[0].strip()
            made.append(Entry(fields[0], fields[1], fields[2].strip(), process, at + max(line.find(process), 0)))
        at += len(line.encode("utf-8", "surrogateescape"))
    order = {action: rank for rank, action in enumerate(_AT_START)}
    wanted = [one for one in made if one.action in order or one.action == "initdefault"]
    return sorted(wanted, key=lambda one: order.get(one.action, -1))


def table(files: Files) -> str | None:
    """Where the inittab is. Some vendors build `/etc` at boot and keep the table of their init beside it."""
    return next((path for path in _ELSEWHERE if files.text(path)), None)


def follow(machine: Machine) -> None:
    """Every entry of the default runlevel."""
    path = table(machine.files) or INITTAB
    found = entries(machine.files.text(path) or "")
    default = next((one.levels or one.process for one in found if one.action == "initdefault"), "")
    for entry in found:
        booting = entry.action in ("sysinit", "boot", "bootwait")
        if entry.action == "initdefault" or not entry.process:
            continue
        if default and entry.levels and not booting and not set(default) & set(entry.levels):
            continue
        _run(machine, entry, path)


def _run(machine: Machine, entry: Entry, path: str) -> None:
    console = entry.action in _AGAIN
    frame = Frame(
        chain=(path,),
        script=path,
        respawn=console,
        via=f"console {entry.id or 'console'}" + (" (asks first)" if entry.action.startswith("ask") else "")
        if console
        else "",
        base=entry.offset,
    )
    process = entry.process.lstrip("-@+")
    program = process.split()[0] if process.split() else ""
    if program.endswith("/rcS") and not machine.files.exists(program):
        follow_links(machine)  # procd has it built in
        return
    machine.run(machine.script(path, process).body, State(), frame)
    words = process.split()
    login = entry.process.startswith("-") or bool({"-l", "--login"} & set(words[1:]))
    if console and login and is_shell(program) and not entry.action.startswith("ask"):
        _profile(machine, path)
    level = _SHELL_RC.match(process)
    if level is not None:
        _links_not_seen(machine, f"/etc/rc{level[1].upper()}.d", frame)


def _profile(machine: Machine, table: str) -> None:
    """A login shell reads its profile, and one that init keeps running does so at every boot: some start all there."""
    for path in ("/etc/profile", "/root/.profile"):
        if machine.files.text(path):
            told = Simple((), (), (), f". {path}", 0)
            machine.commands(machine, told, [Value("."), Value(path)], State(), Frame(chain=(table,), script=table))


def _links_not_seen(machine: Machine, folder: str, frame: Frame) -> None:
    """`/etc/init.d/rc 5` whose loop could not be followed: what it does is the same everywhere."""
    links = machine.files.glob(f"{folder}/S*")
    if links and not any(link in machine.seen for link in links):
        for link in links:
            told = Simple((), (), (), f"{link} start", 0)
            run_path(machine, told, link, [Value("start")], State(), frame)


def follow_default(machine: Machine) -> None:
    """busybox without an inittab: rcS, and a shell on the console for whoever presses Enter."""
    script = "/etc/init.d/rcS"
    frame = Frame(chain=("/sbin/init",), script="/sbin/init")
    if machine.files.exists(script):
        run_path(machine, Simple((), (), (), script, 0), script, [], State(), frame)
    asks = Frame(chain=("/sbin/init",), script="/sbin/init", respawn=True, via="console console (asks first)")
    if machine.files.exists("/bin/sh"):
        machine.run(machine.script("/sbin/init", "/bin/sh").body, State(), asks)


def follow_links(machine: Machine) -> None:
    """The numbered links of OpenWrt (`/etc/rc.d/S50telnet boot`), or those of a runlevel."""
    frame = Frame(chain=(INITTAB,) if machine.files.exists(INITTAB) else ("/sbin/init",), script=INITTAB)
    links = machine.files.glob("/etc/rc.d/S*")
    action = "boot" if links else "start"
    for link in links or (*machine.files.glob("/etc/rcS.d/S*"), *machine.files.glob("/etc/rc5.d/S*")):
        run_path(machine, Simple((), (), (), f"{link} {action}", 0), link, [Value(action)], State(), frame)
    if not links and machine.files.exists("/etc/rc.local"):
        run_path(machine, Simple((), (), (), "/etc/rc.local", 0), "/etc/rc.local", [], State(), frame)
