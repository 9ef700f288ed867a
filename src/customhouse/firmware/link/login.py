"""Which login services that start at boot would let an account in, and whether they would ask for a password.

Sources: dropbear(8) (-B, -s, -w, -g), sshd_config(5), telnetd of busybox (-l), login(1) and securetty(5).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from customhouse.model import Account, Service

from .files import Files

_NO_SHELL: Final = re.compile(r"/(?:nologin|false|sync|halt|shutdown|true)$")
_CRACKABLE: Final = frozenset({"des", "md5", "sha256", "sha512", "bcrypt", "yescrypt", "clear-text", "unknown"})
_SHELL: Final = re.compile(r"^(?:/\S*/)?(?:a|ba|da)?sh$")
_RELEASE: Final = re.compile(r"(?m)^DISTRIB_RELEASE=['\"]?(\d+)\.(\d+)|^DISTRIB_RELEASE=['\"]?(SNAPSHOT)")
_BLANK_ROOT_SINCE: Final = (17, 1)
"""OpenWrt's dropbear takes root's empty password without -B from then on (its 600-allow-blank-root-password.patch)."""


@dataclass(frozen=True)
class Acceptance:
    """A service that lets the account in."""

    program: str
    opens_without_password: bool = False


def accepting_services(
    account: Account, files: Files, services: Sequence[Service], *, only_root: bool = True
) -> list[Acceptance]:
    """Of the services that start at boot, those that accept this account from the network. `only_root`: no account with
    root's rights was named before this one."""
    accepted: list[Acceptance] = []
    for service in services:
        if not (service.at_boot and service.network_facing):
            continue
        if service.kind == "telnet":
            accepted.extend(_telnet(account, files, service, only_root=only_root))
        elif service.kind == "ssh":
            accepted.extend(_ssh(account, files, service))
        elif service.kind == "ftp" and account.hash_kind in _CRACKABLE and _has_shell(account):
            accepted.append(Acceptance(service.program))
    return accepted


def _telnet(account: Account, files: Files, service: Service, *, only_root: bool) -> Iterator[Acceptance]:
    """Root is who gets in where nobody is asked who he is, and no other account with root's rights: the door does not
    know of it. Login scripts were run by the boot step."""
    own = _option(service.arguments, "-u")
    if ":" in own:  # such a telnetd knows this one account and no other
        if own.partition(":")[0] == account.user:
            yield Acceptance(service.program)
        return
    login = _option(service.arguments, "-l")
    is_root = account.uid == 0 or account.user == "root"
    if service.authentication == "none" or (login and _SHELL.match(login)):
        if account.user == "root" or (is_root and only_root):
            yield Acceptance(service.program, opens_without_password=True)
        return
    if login and files.text(login) is not None:
        return  # a script of the maker's, which the boot step ran: it gave no shell, or it could not be told
    if not _has_shell(account) or (is_root and _securetty_refuses(files)):
        return
    if account.empty or account.hash_kind in _CRACKABLE:
        yield Acceptance(service.program, opens_without_password=account.empty)


def _ssh(account: Account, files: Files, service: Service) -> Iterator[Acceptance]:
    if not _has_shell(account):
        return
    is_root = account.uid == 0 or account.user == "root"
    if "dropbear" in service.program or service.applet == "dropbear":
        passwords, blank = _dropbear(service.arguments, is_root)
        blank = blank or (is_root and openwrt_takes_blank_root(files))
    else:
        passwords, blank = _openssh(files.text("/etc/ssh/sshd_config") or "", is_root)
    if account.empty and passwords and blank:
        yield Acceptance(service.program, opens_without_password=True)
    elif not account.empty and passwords and account.hash_kind in _CRACKABLE:
        yield Acceptance(service.program)


def _dropbear(arguments: Sequence[str], is_root: bool) -> tuple[bool, bool]:
    """(takes passwords, takes empty ones): empty ones only with -B."""
    flags = {argument for argument in arguments if argument.startswith("-")}
    short = {letter for flag in flags if not flag.startswith("--") for letter in flag[1:]}
    refused = "s" in short or (is_root and ("w" in short or "g" in short))
    return not refused, "B" in short


def openwrt_takes_blank_root(files: Files) -> bool:
    """Known of the distribution, not read off the program: what rests on it is said with less certainty."""
    match = _RELEASE.search(files.text("/etc/openwrt_release") or "")
    if match is None:
        return False
    return bool(match.group(3)) or (int(match.group(1)), int(match.group(2))) >= _BLANK_ROOT_SINCE


def _openssh(config: str, is_root: bool) -> tuple[bool, bool]:
    """The first value of a keyword counts; root's default is keys only since 7.0."""

    def value(keyword: str, default: str) -> str:
        match = re.search(rf"(?mi)^\s*{keyword}\s+(\S+)", config)
        return match.group(1).lower() if match else default

    passwords = value("PasswordAuthentication", "yes") == "yes"
    if is_root and value("PermitRootLogin", "prohibit-password") != "yes":
        passwords = False
    return passwords, value("PermitEmptyPasswords", "no") == "yes"


def _has_shell(account: Account) -> bool:
    return not _NO_SHELL.search(account.shell)


def _securetty_refuses(files: Files) -> bool:
    """The file lists where root may log in; a terminal of the network is pts/N or ttypN."""
    text = files.text("/etc/securetty")
    if text is None or not text.strip():
        return False
    return not re.search(r"(?m)^\s*(?:pts(?:/|\b)|ttyp)", text)


def _option(arguments: Sequence[str], name: str) -> str:
    """Value of `-l X` or `-lX`."""
    for index, argument in enumerate(arguments):
        if argument == name and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(name) and len(argument) > len(name) and argument[len(name)] == "/":
            return argument[len(name) :]
    return ""
