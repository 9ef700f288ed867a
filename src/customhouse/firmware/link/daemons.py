"""What is known of server programs by their names, and what their arguments and settings say.

Sources: telnetd and httpd of busybox, dropbear(8), sshd_config(5), vsftpd.conf(5), boa, lighttpd and nginx manuals.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files as resources

from customhouse.model import Port

from .files import Files

_SHELL = re.compile(r"^(?:/\S*/)?(?:ba|a|da|k|mk|hu|c|tc|z)?sh$")
_ADDRESS = re.compile(r"^(?:(?P<host>\[[^\]]*\]|[\w.*-]*):)?(?P<port>\d{1,5})$")


@dataclass(frozen=True)
class Daemon:
    """One row of `daemons.toml`."""

    name: str
    kind: str
    ports: tuple[Port, ...] = ()
    port_options: tuple[str, ...] = ()
    bind_options: tuple[str, ...] = ()
    authentication: str = "unknown"
    listens: bool = True
    note: bool = False
    config_option: str = ""
    config_paths: tuple[str, ...] = field(default=())
    config_port: str = ""


def _port(text: str) -> Port:
    number, _, protocol = text.partition("/")
    return Port(number=int(number), protocol=protocol)


def _rows() -> dict[str, Daemon]:
    table = tomllib.loads(resources(__package__).joinpath("daemons.toml").read_text(encoding="utf-8"))
    made: dict[str, Daemon] = {}
    for row in table["daemon"]:
        config = row.get("config", {})
        for name in row["names"]:
            made[name] = Daemon(
                name=row["names"][0],
                kind=row["kind"],
                ports=tuple(_port(text) for text in row.get("ports", ())),
                port_options=tuple(row.get("port_options", ())),
                bind_options=tuple(row.get("bind_options", ())),
                authentication=row["authentication"],
                listens=row.get("listens", row["kind"] not in ("tool",)),
                note=row.get("note", False),
                config_option=config.get("option", ""),
                config_paths=tuple(config.get("paths", ())),
                config_port=config.get("port", ""),
            )
    return made


DAEMONS = _rows()


def _port_kinds() -> dict[Port, str]:
    table = tomllib.loads(resources(__package__).joinpath("daemons.toml").read_text(encoding="utf-8"))
    return {_port(text): kind for kind, texts in table["ports"].items() for text in texts}


_PORT_KINDS = _port_kinds()


def kind_by_port(ports: Sequence[Port]) -> str:
    """What a program without a known name offers, by a well-known port that it certainly binds."""
    return next((_PORT_KINDS[port] for port in ports if port in _PORT_KINDS), "other")


def is_shell(program: str) -> bool:
    """Whether a path or name is that of a command shell."""
    return bool(_SHELL.match(program))


def option(arguments: Sequence[str], names: Sequence[str]) -> list[str]:
    """Values of options, in both spellings: `-p 80` and `-p80`, `--port=80`."""
    values: list[str] = []
    for index, argument in enumerate(arguments):
        for name in names:
            if argument == name and index + 1 < len(arguments):
                values.append(arguments[index + 1])
            elif argument.startswith(f"{name}=") or (len(name) == 2 and argument.startswith(name) and argument != name):
                values.append(argument[len(name) :].lstrip("="))
    return values


def config_text(daemon: Daemon, arguments: Sequence[str], files: Files) -> str:
    """The daemon's settings: the file its arguments name, else the usual one."""
    named = option(arguments, [daemon.config_option]) if daemon.config_option else []
    for path in (*named, *daemon.config_paths):
        text = files.text(path)
        if text:
            return text
    return ""


def _is_own(host: str) -> bool:
    """An address that only the device itself can reach."""
    return host.startswith("127.") or host in ("localhost", "[::1]")


def ports(daemon: Daemon, arguments: Sequence[str], files: Files) -> tuple[tuple[Port, ...], bool]:
    """Where it listens, and whether that is for this machine only. Empty where an argument's value is not known."""
    values = option(arguments, daemon.port_options)
    if not values and daemon.config_port:
        values = re.findall(daemon.config_port, config_text(daemon, arguments, files))[:8]
    bound = option(arguments, daemon.bind_options)
    own = bool(bound) and all(_is_own(value.partition(":")[0]) for value in bound)
    if not values:
        return daemon.ports, own
    protocol = daemon.ports[0].protocol if daemon.ports else "tcp"
    matched = [match for value in values if (match := _ADDRESS.match(value)) and int(match["port"]) < 65536]
    hosts = [match["host"] or "" for match in matched]
    local = own or (bool(hosts) and all(_is_own(host) for host in hosts))
    found = dict.fromkeys(Port(number=int(match["port"]), protocol=protocol) for match in matched)
    return tuple(found), local


def authentication(daemon: Daemon, arguments: Sequence[str], files: Files) -> str:
    """none, password, key or unknown. What a login program that is a script does is asked elsewhere."""
    if daemon.authentication == "telnetd":
        return _telnetd(arguments)
    if daemon.authentication == "dropbear":
        return "key" if any(re.match(r"^-[a-zA-Z]*s", argument) for argument in arguments) else "password"
    if daemon.authentication == "sshd":
        text = config_text(daemon, arguments, files)
        if re.search(r"(?mi)^\s*PasswordAuthentication\s+no\b", text) or "PasswordAuthentication=no" in arguments:
            return "key"
        return "password"
    if daemon.authentication == "webshell":
        return _web_shell(arguments)
    if daemon.authentication == "ftpd":
        return _ftpd(daemon, arguments, files)
    return daemon.authentication


def _telnetd(arguments: Sequence[str]) -> str:
    """Without `-l` it runs login, which asks; with `-l /bin/sh` nobody asks."""
    login = option(arguments, ["-l"])
    if not login:
        return "password"
    words = login[0].split()
    if not words or "$" in login[0]:
        return "unknown"
    if is_shell(words[0]):
        return "none"
    if words[0].rpartition("/")[2] == "login":
        return "none" if "-f" in words or ("-f" in arguments and login[0].endswith("login")) else "password"
    return "unknown"


def _web_shell(arguments: Sequence[str]) -> str:
    """A terminal in the browser: it asks for a credential of its own, or what it runs asks, or nobody does."""
    if option(arguments, ["-c", "--credential"]):
        return "password"
    programs = [argument for argument in arguments if not argument.startswith("-")]
    if any(is_shell(program) for program in programs):
        return "none"
    return "password" if any(program.rpartition("/")[2] == "login" for program in programs) else "unknown"


def _ftpd(daemon: Daemon, arguments: Sequence[str], files: Files) -> str:
    text = config_text(daemon, arguments, files)
    if re.search(r"(?mi)^\s*(?:anonymous_enable\s*=\s*yes|ANONYMOUS_USER\s*=\s*\"?yes)", text) or "-A" in arguments:
        return "none"
    return "password" if text else "unknown"


def console_authentication(program: str, arguments: Sequence[str]) -> str:
    """A shell asks nobody; getty runs login, unless it is told to run something else or to log in by itself."""
    name = program.rpartition("/")[2]
    if is_shell(program):
        return "none"
    if name in ("getty", "agetty", "mingetty", "agetty.util-linux", "fgetty", "ngetty"):
        login = option(arguments, ["-l", "--login-program"])
        automatic = any(argument.startswith(("--autologin", "--noclear-autologin")) for argument in arguments)
        if automatic or (name != "getty" and "-a" in arguments) or (login and is_shell(login[0].split()[0])):
            return "none"
        if login and login[0].rpartition("/")[2] != "login":
            return "unknown"
        return "password"
    if name == "login":
        return "none" if "-f" in arguments else "password"
    return "password" if name == "sulogin" else "unknown"
