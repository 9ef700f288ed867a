"""What the device offers: every start of the boot that is a service, and servers that nothing starts."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from customhouse.model import ElfFacts, NodeKind, Port, Service

from . import daemons
from .boot import Boot
from .daemons import DAEMONS, Daemon
from .files import Files, printable
from .shell_commands import simple_command
from .shell_programs import run_path
from .shell_run import Machine
from .shell_state import Frame, Guard, Start, State
from .shell_syntax import Simple
from .shell_words import is_removable

ABSENT = "the program is not in the image"
_CONSOLES = frozenset({"getty", "agetty", "mingetty", "fgetty", "ngetty", "login", "sulogin"})
_LISTENS = ("recvfrom", "recvmsg", "accept", "accept4", "recvmmsg")
_MAX = 400
_BIN = re.compile(r"(?:^|/)(?:s?bin|local|app|tools?|usr|localbin|[\w.-]*bin)/[^/]+$")


def services(boot: Boot) -> tuple[Service, ...]:
    """All services, those that start at boot first, in the order in which they start."""
    files = boot.files
    found = [service for start in _merged(boot.starts) if (service := _service(start, files)) is not None]
    kept = _without_repeats(found)
    idle = list(_never_started(files, kept))
    order = sorted(kept, key=lambda service: (not service.at_boot, service.condition_holds is False))
    return tuple([*order, *idle][:_MAX])


def _service(start: Start, files: Files) -> Service | None:
    daemon = daemon_of(start)
    if start.real is None and is_removable(start.path):
        found = " && ".join(dict.fromkeys(_line(guard.text) for guard in start.guards))
        told = f"{found} && it is on removable media" if found else "it is on removable media"
        return _made(start, kind="removable", at_boot=False, condition=told, condition_holds=None)
    if start.real is None and ("/init.d/" in start.path or (daemon is not None and not daemon.listens)):
        return None  # what is not there and would not serve anybody
    name = start.applet or start.path.rpartition("/")[2]
    if start.via.startswith("console"):
        if daemons.is_shell(name) or name in _CONSOLES:
            return _console(start, name)
        if daemon is None:
            return _plain(start, files)
    if daemon is not None and daemon.kind == "tool":
        return _shell_on_a_port(start, name, files)
    if daemon is None and start.via.startswith("inetd"):
        return _by_connection(start, name)
    return _known(start, daemon, files) if daemon is not None else _plain(start, files)


def _by_connection(start: Start, name: str) -> Service:
    """A program that inetd runs for every connection; a shell among them is a back door."""
    shell = daemons.is_shell(name) or any(daemons.is_shell(word) for word in start.arguments[:1])
    return _made(
        start,
        kind="debug" if shell else "other",
        ports=_told(start),
        authentication="none" if shell else "unknown",
        network_facing=True,
    )


def daemon_of(start: Start) -> Daemon | None:
    """What is known of the program, by the name it is called by, else by the name of its file."""
    names = [start.applet, start.path.rpartition("/")[2]]
    real = (start.real or "").rpartition("/")[2]
    if not real.startswith("dropbear"):  # its one program is also dropbearkey, dbclient and scp
        names.append(real)
    return next((DAEMONS[name] for name in names if name in DAEMONS), None)


def _made(start: Start, **fields: object) -> Service:
    """The part that all services share."""
    holds = _holds(start.guards)
    missing = start.real is None
    condition = " && ".join(dict.fromkeys(_line(guard.text) for guard in start.guards))
    if missing:
        condition = " && ".join(filter(None, (condition, ABSENT)))
    values: dict[str, object] = {
        "program": start.path,
        "applet": start.applet,
        "arguments": tuple(printable(argument) for argument in start.arguments),
        "started_by": start.frame.chain,
        "at_boot": (holds is True or not start.guards) and not missing,
        "condition": condition,
        "condition_holds": None if missing and holds is not False else holds,
        "respawn": start.respawn,
        "user": printable(start.user),
        "evidence": (start.evidence,),
        **fields,
    }
    return Service(**values)  # type: ignore[arg-type] # the names are those of the fields; mypy cannot see that


def _holds(guards: Sequence[Guard]) -> bool | None:
    if any(guard.holds is False for guard in guards):
        return False
    return None if not guards or any(guard.holds is None for guard in guards) else True


def _line(text: str) -> str:
    """A condition on one line, in a form that every report can show."""
    return printable(" ".join(text.replace("\\\n", " ").replace("\\ ", " ").split()))


def _console(start: Start, name: str) -> Service:
    asks = daemons.console_authentication(name, start.arguments)
    if start.real is None and not start.guards:  # init's table is evidence enough, the shell may be built in elsewhere
        return _made(start, kind="console", authentication=asks, at_boot=True, condition="")
    return _made(start, kind="console", authentication=asks)


def _known(start: Start, daemon: Daemon, files: Files) -> Service:
    ports, local = daemons.ports(daemon, start.arguments, files)
    asks = daemons.authentication(daemon, start.arguments, files)
    if daemon.kind == "telnet" and asks == "unknown":
        asks = login_program(start.arguments, files)
    return _made(
        start,
        kind=daemon.kind,
        ports=_told(start) or ports or _bound(start, files),
        authentication=asks,
        network_facing=(daemon.listens or (daemon.kind == "ntp" and "-l" in start.arguments)) and not local,
    )


def _told(start: Start) -> tuple[Port, ...]:
    """The port on which inetd (or a socket unit) listens for the program."""
    found = re.fullmatch(r"inetd (\d+)/(tcp|udp)", start.via)
    return (Port(number=int(found[1]), protocol=found[2]),) if found else ()


def _plain(start: Start, files: Files) -> Service | None:
    """A program without a name that we know: a service when it listens, or is left running."""
    facts = files.facts_of(start.path)
    if facts is None or facts.elf is None or start.applet:
        return None
    listens = listens_by(facts.elf)
    if not (listens or _bound(start, files) or start.background or start.respawn):
        return None
    ports = _bound(start, files)
    return _made(start, kind=daemons.kind_by_port(ports), ports=ports, network_facing=listens or bool(ports))


def _shell_on_a_port(start: Start, name: str, files: Files) -> Service | None:
    """`nc -l -p 4444 -e /bin/sh`, `socat TCP-LISTEN:4444 EXEC:/bin/sh`."""
    text = " ".join(start.arguments)
    if name not in ("nc", "ncat", "netcat", "socat"):
        return None
    if name == "socat":
        found = re.search(r"TCP\d?-LISTEN:(\d+).*(?:EXEC|SYSTEM):", text, re.IGNORECASE)
        listening = found is not None
    else:
        found = re.search(r"-\w*p\s*(\d+)", text)
        listening = bool(re.search(r"(?:^|\s)-\w*l", text) and re.search(r"(?:^|\s)-\w*[ec]\s", text + " "))
    if not listening:
        return None
    ports = (Port(number=int(found[1]), protocol="tcp"),) if found and int(found[1]) < 65536 else ()
    shell = any(daemons.is_shell(word.partition(":")[2] or word) for word in start.arguments)
    asks = "none" if shell else "unknown"
    return _made(start, kind="debug", ports=ports, authentication=asks, network_facing=True)


def listens_by(elf: ElfFacts) -> bool:
    """Whether a program's imports are those of a server."""
    waits = any(name in elf.imports for name in _LISTENS)
    return "listen" in elf.imports or ("bind" in elf.imports and waits)


def _bound(start: Start, files: Files) -> tuple[Port, ...]:
    facts = files.facts_of(start.path)
    bound = facts.program.bound_ports if facts is not None and facts.program is not None else ()
    return tuple(
        dict.fromkeys(Port(number=number, protocol=protocol) for number, protocol, sure in bound if sure == "exact")
    )


def login_program(arguments: Sequence[str], files: Files) -> str:
    """What telnetd's `-l script` asks: followed as shipped, up to a shell or to login."""
    named = daemons.option(arguments, ["-l"])
    if not named or "$" in named[0] or not files.text(named[0].split()[0]):
        return "unknown"
    path = named[0].split()[0]
    machine = Machine(files, simple_command)
    run_path(machine, Simple((), (), (), path, 0), path, [], State(), Frame())
    reached = [start for start in machine.starts if _holds(start.guards) is not False]
    if any(daemons.is_shell(start.path) and (not start.guards or _holds(start.guards)) for start in reached):
        return "none"
    if any(daemons.is_shell(start.path) for start in reached):
        return "unknown"
    return "password" if any(start.path.endswith("/login") for start in reached) else "unknown"


def _merged(starts: Iterable[Start]) -> Iterator[Start]:
    """Starts with the same program and arguments: where a test and its opposite both lead there, it does not matter."""
    groups: dict[tuple[str, tuple[str, ...]], list[Start]] = {}
    for start in starts:
        groups.setdefault((start.path, start.arguments), []).append(start)
    for group in groups.values():
        merged: list[Start] = []
        waiting = group[:_MAX]
        while waiting:
            start = waiting.pop(0)
            for index, before in enumerate(merged):
                guards = _without_opposite(before.guards, start.guards)
                if guards is not None:
                    # What is left may be the opposite of yet another one, as in the branches of a `case`.
                    waiting.insert(0, replace(merged.pop(index), guards=guards))
                    break
            else:
                merged.append(start)
        yield from merged


def _without_opposite(first: tuple[Guard, ...], second: tuple[Guard, ...]) -> tuple[Guard, ...] | None:
    """The guards without the one in which they differ, if that is a test and its opposite; None otherwise."""
    if len(first) != len(second):
        return None
    different = [index for index, (one, two) in enumerate(zip(first, second, strict=True)) if one.text != two.text]
    if not different:
        return first
    at = different[0]
    if len(different) > 1:
        return None
    one, two = first[at].text, second[at].text
    if one in (f"! ( {two} )",) or two in (f"! ( {one} )",):
        return first[:at] + first[at + 1 :]
    return None


def _without_repeats(found: list[Service]) -> list[Service]:
    """One entry for each program and its arguments: the surest one."""
    best: dict[tuple[str, str, tuple[str, ...]], Service] = {}
    for service in found:
        key = (service.kind, service.program, service.arguments)
        before = best.get(key)
        if before is None or _sureness(service) > _sureness(before):
            best[key] = service
    return list(best.values())


def _sureness(service: Service) -> int:
    if service.at_boot:
        return 3
    return {None: 2, True: 1, False: 1}[service.condition_holds]


def _never_started(files: Files, started: Sequence[Service]) -> Iterator[Service]:
    """Servers worth a note that are in the image and that no script starts."""
    taken = {service.program.rpartition("/")[2] for service in started if ABSENT not in service.condition}
    for path, node in sorted(files.nodes.items()):
        name = path.rpartition("/")[2]
        daemon = DAEMONS.get(name)
        if daemon is None or name in taken or not daemon.listens or not _BIN.search(path):
            continue
        if node.kind is NodeKind.SYMLINK and not files.exists(path):
            continue
        facts = files.facts_of(path)
        if facts is None or facts.elf is None:
            continue
        real = files.real(path) or path
        applet = name if real.rpartition("/")[2].startswith(("busybox", "toybox")) else ""
        if not daemon.note and (applet or not listens_by(facts.elf)):
            continue  # every busybox has an httpd
        taken.add(name)
        yield Service(
            kind=daemon.kind, program=path, applet=applet, ports=daemon.ports, evidence=(files.evidence(path),)
        )
