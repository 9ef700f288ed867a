"""What daemons start in their turn: inetd and its kin, cron, and commands written inside programs.

Sources: inetd.conf(5), xinetd.conf(5), tcpsvd of busybox, crontab(5).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from customhouse.model import ContentFacts, ElfFacts

from .daemons import DAEMONS
from .shell_run import Machine
from .shell_starts import look_up
from .shell_state import Frame, Guard, Start, State, Value
from .shell_syntax import Simple

_CRONTABS = ("/etc/crontabs/*", "/var/spool/cron/crontabs/*", "/var/spool/cron/*", "/var/cron/tabs/*")
_SYSTEM_CRONTABS = ("/etc/crontab", "/etc/cron.d/*")
_MAX_PROGRAMS = 400
_MAX_COMMANDS = 300
_RUNS = frozenset(
    {"system", "popen", "execl", "execlp", "execle", "execv", "execvp", "execve", "posix_spawn", "posix_spawnp"}
)
_WORDS = re.compile(r"[\w.-]+")


def started_by_others(machine: Machine) -> None:
    """Add to `machine.starts` what the started programs start."""
    done: set[str] = set()
    for start in list(machine.starts):
        name = start.applet or start.path.rpartition("/")[2]
        if name in _EXPAND and name + str(start.arguments) not in done:
            done.add(name + str(start.arguments))
            _EXPAND[name](machine, start)
    _commands_in_programs(machine)


def _state(start: Start) -> State:
    return State(guards=start.guards)


def _frame(start: Start, path: str, via: str) -> Frame:
    return replace(start.frame, chain=(*start.frame.chain, path), script=path, via=via, base=0, background=True)


def _inetd(machine: Machine, start: Start) -> None:
    """`name type protocol flags user program arguments`."""
    path = next((word for word in start.arguments if word.startswith("/")), "/etc/inetd.conf")
    at = 0
    for line in (machine.files.text(path) or "").splitlines(keepends=True):
        fields = line.split()
        if len(fields) >= 6 and not line.lstrip().startswith("#"):
            server = fields[5]
            arguments = fields[7:] if server != "internal" else []
            if server.rpartition("/")[2] in ("tcpd", "busybox") and len(fields) > 6:
                server, arguments = fields[6], fields[7:]
            _serve(machine, start, path, server, arguments, fields[0], fields[2], fields[4].partition(".")[0], at, line)
        at += len(line.encode("utf-8", "surrogateescape"))


def _serve(
    machine: Machine,
    start: Start,
    path: str,
    server: str,
    arguments: list[str],
    service: str,
    protocol: str,
    user: str,
    offset: int,
    line: str,
) -> None:
    if server in ("internal", ""):
        return
    port = service_port(machine, service, protocol)
    via = f"inetd {port}/{'udp' if protocol.startswith('udp') else 'tcp'}" if port else "inetd"
    frame = replace(_frame(start, path, via), user=user or "root")
    state = _state(start)
    found = look_up(machine, server, state) or server
    run_path_of_program(machine, Simple((), (), (), line.strip(), offset), found, arguments, state, frame)


def run_path_of_program(
    machine: Machine, command: Simple, path: str, arguments: list[str], state: State, frame: Frame
) -> None:
    """A program with constant arguments."""
    words = [Value(argument, known="$" not in argument) for argument in arguments]
    machine.commands(machine, command, [Value(path), *words], state, frame)


def service_port(machine: Machine, name: str, protocol: str) -> int | None:
    """A number, or a name in /etc/services, or one of the few that everybody knows."""
    name = name.rpartition(":")[2]
    if name.isdigit():
        return int(name)
    found = re.search(rf"(?m)^{re.escape(name)}\s+(\d+)/{protocol[:3]}", machine.files.text("/etc/services") or "")
    known = {"telnet": 23, "ftp": 21, "ssh": 22, "tftp": 69, "http": 80, "https": 443, "shell": 514, "login": 513}
    return int(found[1]) if found is not None else known.get(name)


def _xinetd(machine: Machine, start: Start) -> None:
    """`service name { ... }` in xinetd.conf and the folders that it includes."""
    paths = ["/etc/xinetd.conf", *machine.files.glob("/etc/xinetd.d/*")]
    for path in paths:
        text = machine.files.text(path) or ""
        for block in re.finditer(r"(?m)^\s*service\s+(\S+)\s*\{([^}]*)\}", text):
            values: dict[str, str] = dict(re.findall(r"(?m)^\s*(\w+)\s*\+?=\s*(.*?)\s*$", block[2]))
            if values.get("disable", "no").lower() in ("yes", "true", "1"):
                continue
            server, service = values.get("server", ""), values.get("port", str(block[1]))
            arguments, user = values.get("server_args", "").split(), values.get("user", "root")
            line = f"service {block[1]} {{ server = {server} {' '.join(arguments)} }}"
            protocol = values.get("protocol", "tcp")
            _serve(machine, start, path, server, arguments, service, protocol, user, block.start(), line)


def _tcpsvd(machine: Machine, start: Start) -> None:
    """`tcpsvd -vE 0.0.0.0 21 ftpd -w /` runs its program for every connection."""
    words = list(start.arguments)
    while words and words[0].startswith("-"):
        takes = words[0][-1] in "cClhpuxioPt" and not words[0][1:2].isdigit()
        words = words[2:] if takes and len(words) > 1 else words[1:]
    if len(words) < 3:
        return
    protocol = "udp" if start.path.endswith("udpsvd") else "tcp"
    port = service_port(machine, words[1], protocol)
    frame = replace(_frame(start, start.path, f"inetd {port}/{protocol}" if port else "inetd"), user=start.user)
    command = Simple((), (), (), f"{start.path} {' '.join(start.arguments)}", 0)
    found = look_up(machine, words[2], State()) or words[2]
    run_path_of_program(machine, command, found, words[3:], _state(start), frame)


def _crond(machine: Machine, start: Start) -> None:
    """Lines of every crontab; what runs by the clock runs without anybody asking for it."""
    folder = next((start.arguments[i + 1] for i, w in enumerate(start.arguments[:-1]) if w == "-c"), "")
    own = [f"{folder.rstrip('/')}/*"] if folder.startswith("/") else list(_CRONTABS)
    for path, has_user in [(p, False) for g in own for p in machine.files.glob(g)] + [
        (p, True) for g in _SYSTEM_CRONTABS for p in machine.files.glob(g)
    ]:
        for schedule, user, command, offset in crontab(machine.files.text(path) or "", has_user=has_user):
            who = user or path.rpartition("/")[2]
            frame = replace(_frame(start, path, f"cron {schedule}"), user=who, base=offset, background=False)
            state = _state(start).guarded(Guard(f"cron: {schedule}", holds=True))
            machine.aside(machine.script(path, command).body, state, frame)


def crontab(text: str, *, has_user: bool) -> Iterator[tuple[str, str, str, int]]:
    """(schedule, user, command, offset) of each line."""
    at = 0
    for line in text.splitlines(keepends=True):
        words = line.split()
        count = 1 if words and words[0].startswith("@") else 5
        is_entry = len(words) > count + has_user and re.match(r"[@*\d]", words[0])
        if is_entry:
            command = line.split(None, count + has_user)[-1].strip()
            yield " ".join(words[:count]), words[count] if has_user else "", command, at + line.find(command)
        at += len(line.encode("utf-8", "surrogateescape"))


def _commands_in_programs(machine: Machine) -> None:
    """Commands that stand as text in started programs: they may be run, when and whether is in the machine code."""
    waiting = [start for start in machine.starts if not any(guard.holds is False for guard in start.guards)]
    seen: set[str] = set()
    while waiting and len(seen) < _MAX_PROGRAMS:
        start = waiting.pop(0)
        facts = machine.files.facts_of(start.path)
        real = start.real or ""
        if facts is None or facts.elf is None or facts.content is None or start.applet or real in seen:
            continue
        seen.add(real)
        before = len(machine.starts)
        for text, offset in facts.content.commands[:_MAX_COMMANDS]:
            if any(word in DAEMONS and DAEMONS[word].listens for word in _WORDS.findall(text)):
                guard = Guard(f"{start.path} runs the command that stands in it", holds=None)
                frame = replace(_frame(start, start.path, "program"), base=offset)
                parsed = machine.script(start.path, text, quiet=True)
                machine.aside(parsed.body, _state(start).guarded(guard), frame)
        # A program's own banner (`hostapd v0.5.9`) reads like a command that runs it.
        machine.starts[before:] = [one for one in machine.starts[before:] if one.real != start.real]
        _named(machine, start, facts.elf, facts.content)
        waiting.extend(machine.starts[before:])


def _named(machine: Machine, start: Start, elf: ElfFacts, content: ContentFacts) -> None:
    """Servers of the image whose bare name is a string of a started program that can run others."""
    if not _RUNS & set(elf.imports):
        return
    started = {one.path for one in machine.starts}
    for word in content.words:
        name = word.rpartition("/")[2]
        daemon = DAEMONS.get(name)
        path = look_up(machine, word, State()) if daemon is not None and daemon.listens else None
        if path is None or path in started or machine.files.real(path) == start.real:
            continue
        guard = Guard(f"{start.path}, which runs other programs, names it", holds=None)
        command = Simple((), (), (), word, 0)
        run_path_of_program(
            machine, command, path, [], _state(start).guarded(guard), _frame(start, start.path, "program")
        )


_EXPAND: dict[str, Callable[[Machine, Start], None]] = {
    "inetd": _inetd,
    "in.inetd": _inetd,
    "xinetd": _xinetd,
    "tcpsvd": _tcpsvd,
    "udpsvd": _tcpsvd,
    "crond": _crond,
    "cron": _crond,
}
