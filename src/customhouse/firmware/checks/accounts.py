"""Who can log in without a secret, or with one that everybody knows?"""

from collections.abc import Iterable, Sequence

from customhouse.model import Account, Confidence, DeviceFacts, Finding, Service, Severity

from .check import Check

_CLAUSES = ("EN 303 645 5.1-1", "EN 303 645 5.4-3", "CRA I(2)(d)", "PSTI 1", "EN 18031-1 AUM")
_LISTED = 12
_BY_DISTRIBUTION = " OpenWrt's dropbear takes root's empty password since release 17.01; this program was not tried."
_READ = "It stands in the image in clear text."
_TRIED = "Found by trying published default passwords and the image's own words against the {} hash."
_NOT_ASKED = " The login of the network that starts at boot does not even ask for it."
_NOT_TAKEN = " No login of the network that starts at boot takes it."


def is_root(account: Account) -> bool:
    return account.uid == 0 or account.user == "root"


def doors(account: Account, device: DeviceFacts) -> list[Service]:
    """The services that let this account in from the network."""
    offered = (s for s in device.services if s.at_boot and s.network_facing and s.kind in ("telnet", "ssh", "ftp"))
    return [service for service in offered if service.program in account.via]


def certain(account: Account, services: Sequence[Service]) -> bool:
    """One of the services surely takes it. That OpenWrt's dropbear takes an empty password without -B is known of the
    distribution, not read off this program."""
    return any(not (account.empty and s.kind == "ssh" and _is_dropbear(s) and not _allows_blank(s)) for s in services)


def _asks_nothing(account: Account, service: Service) -> bool:
    """Of a door: it asks nobody, or takes the account's empty password. FTP servers refuse empty ones."""
    return (service.authentication == "none" and is_root(account)) or (account.empty and service.kind != "ftp")


def _is_dropbear(service: Service) -> bool:
    return "dropbear" in service.program or service.applet == "dropbear"


def _allows_blank(service: Service) -> bool:
    return any(a.startswith("-") and not a.startswith("--") and "B" in a for a in service.arguments)


def _ways(services: Sequence[Service]) -> str:
    """`telnetd (started by /etc/inittab, /etc/init.d/rcS)`."""
    named = dict.fromkeys(
        f"{service.program} (started by {' → '.join(service.started_by)})" if service.started_by else service.program
        for service in services
    )
    return ", ".join(named)


class RemoteWithoutPassword(Check):
    rule = "accounts.no-password"
    asks = "Can anyone log in over the network without a password?"
    clauses = _CLAUSES

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for account in device.accounts:
            services = [s for s in doors(account, device) if _asks_nothing(account, s)]
            if not services:
                continue
            sure = certain(account, services)
            root = is_root(account)
            # Nothing is left to attack once root needs no secret; another user is a foothold from which root is near.
            yield self.finding(
                severity=Severity.CRITICAL if root and sure else Severity.HIGH,
                confidence=Confidence.HIGH if sure else Confidence.MEDIUM,
                title=f"Anyone on the network {'' if sure else 'probably '}{_what(account)}: no password is asked",
                detail=f"{_ways(services)} starts at boot and lets {account.user} in without a password."
                + ("" if sure else _BY_DISTRIBUTION),
                remedy="Do not start the service, and lock the account or set a password that differs on every device.",
                evidence=(*account.evidence, *(place for s in services for place in s.evidence))[:8],
                tags=("remote-root",) if root and sure else (),
                subject=account.user,
            )


def _what(account: Account) -> str:
    if not is_root(account):
        return f"logs in as {account.user}"
    return "becomes root" if account.user == "root" else f"becomes root as {account.user}"


class EmptyPassword(Check):
    rule = "accounts.empty"
    asks = "Is there an account with no password, even if no login of the network takes it today?"
    clauses = _CLAUSES

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for account in device.accounts:
            if account.empty and not account.remote and account.hash_kind != "clear-text":
                shells = [s for s in device.services if s.at_boot and s.kind == "ssh"]
                # One changed option of the SSH server, or the serial port, away from root.
                severity = Severity.HIGH if is_root(account) and shells else Severity.MEDIUM
                note = (
                    f" {shells[0].program} starts at boot; by its options it refuses empty passwords." if shells else ""
                )
                yield self.finding(
                    severity=severity if is_root(account) else Severity.LOW,
                    title=f"{account.user or 'An account'} has an empty password",
                    detail="No login service that starts at boot takes it, so it opens the console." + note,
                    remedy="Lock the account until its owner sets a password.",
                    evidence=account.evidence,
                    subject=account.user,
                )


class KnownPassword(Check):
    rule = "accounts.known-password"
    asks = "Is the password of an account the same on every device, and known?"
    clauses = _CLAUSES

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for account in device.accounts:
            in_clear = account.hash_kind == "clear-text"
            if account.password is None or (in_clear and not account.remote):
                continue
            services = [s for s in doors(account, device) if s.authentication != "none"]
            sure = bool(services)
            taken = f" {_ways(services)} takes it from the network." if services else _NOT_TAKEN
            if account.remote and not services:
                taken = _NOT_ASKED
            yield self.finding(
                severity=_severity_of_known(account, services),
                confidence=Confidence.HIGH,
                title=f"The password of {account.user or 'an account'} is {account.password!r} on every device",
                detail=(_READ if in_clear else _TRIED.format(account.hash_kind)) + taken,
                remedy="Give every device its own password, or lock the account until its owner sets one.",
                evidence=(*account.evidence, *(place for s in services for place in s.evidence))[:8],
                tags=("universal-password",) if sure else (),
                subject=account.user,
            )


def _severity_of_known(account: Account, asked_by: Sequence[Service]) -> Severity:
    if asked_by:
        return Severity.CRITICAL if is_root(account) else Severity.HIGH
    return Severity.MEDIUM  # whoever sits at the console, or starts a login service later


class SecondRoot(Check):
    rule = "accounts.second-root"
    asks = "Does another account than root have root's rights?"
    clauses = ("EN 303 645 5.1-1", "CRA I(2)(d)", "EN 18031-1 AUM")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        roots = [account for account in device.accounts if account.uid == 0 and account.user and _opens(account)]
        first = next((account.user for account in device.accounts if account.user == "root"), "")
        first = first or next((account.user for account in roots), "")
        for account in roots:
            if account.user != "root":
                named_root = account.user != first
                # A renamed root is a habit of some makers; a second one beside root is how a hidden login is kept.
                yield self.finding(
                    severity=Severity.HIGH if named_root else Severity.LOW,
                    title=f"{account.user} is a second root: its user id is 0"
                    if named_root
                    else f"The root account is named {account.user}",
                    detail=_second_login(account) if named_root else "",
                    remedy="Remove the account, or give it a user id without rights.",
                    evidence=account.evidence,
                    subject=account.user,
                )


def _opens(account: Account) -> bool:
    return account.empty or account.hash_kind not in ("locked", "none", "clear-text", "")


def _second_login(account: Account) -> str:
    return "It needs no password to log in." if account.empty else "It can log in with a password of its own."


class WeakHash(Check):
    rule = "accounts.weak-hash"
    asks = "Are passwords stored in a way that a single computer undoes?"
    clauses = ("EN 303 645 5.4-1", "CRA I(2)(d)", "EN 18031-1 CRY-1")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        weak = [account for account in device.accounts if account.hash_kind in ("des", "md5") and not account.empty]
        if weak:
            names = ", ".join(sorted({f"{a.user or '?'} ({a.hash_kind})" for a in weak})[:_LISTED])
            # Whoever holds the image has the hash; these two kinds fall to a home computer in hours.
            yield self.finding(
                severity=Severity.LOW,
                title=f"Passwords are stored as weak hashes: {names}",
                detail="DES keeps eight characters, MD5-crypt is a thousand cheap rounds: both fall to one computer.",
                remedy="Use yescrypt or sha512-crypt with a password of its own for every device.",
                evidence=tuple(place for account in weak for place in account.evidence[:1])[:_LISTED],
                subject="password hashes",
            )


class HashInProgram(Check):
    rule = "accounts.built-in"
    asks = "Does a program or script carry a password of its own?"
    clauses = ("EN 303 645 5.4-3", "CRA I(2)(d)", "PSTI 1", "EN 18031-1 AUM")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        listed = {"passwd", "shadow"}
        for account in device.accounts:
            name = account.evidence[0].path.rpartition("/")[2] if account.evidence else ""
            if account.hash_kind in ("clear-text", "none", "locked", "") or any(word in name for word in listed):
                continue
            whose = f" of {account.user}" if account.user else ""
            yield self.finding(
                severity=Severity.MEDIUM,
                confidence=Confidence.MEDIUM,
                title=f"{account.evidence[0].path} carries a password hash" + whose,
                detail=f"A {account.hash_kind} hash outside the account files: the same on every device.",
                remedy="Keep no password in a program; let the owner set one.",
                evidence=account.evidence,
                subject=account.evidence[0].path,
            )


class ClearTextUsers(Check):
    rule = "accounts.configured"
    asks = "Are users of the device's own services set in clear text, the same on every device?"
    clauses = ("EN 303 645 5.1-1", "EN 303 645 5.4-3", "CRA I(2)(d)", "PSTI 1", "EN 18031-1 AUM")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        users = [a for a in device.accounts if a.hash_kind == "clear-text" and not a.remote]
        if users:
            named = ", ".join(dict.fromkeys(f"{a.user} / {a.password}" for a in users[:_LISTED]))
            # Often a default that the first set-up replaces; whether it must be replaced cannot be read off the file.
            yield self.finding(
                severity=Severity.MEDIUM,
                confidence=Confidence.MEDIUM,
                title=f"Configuration holds names and passwords in clear text: {named}",
                detail="They are part of the firmware, so every device starts with them.",
                remedy="Ship no default password, or make its replacement the first step of set-up.",
                evidence=tuple(place for account in users for place in account.evidence[:1])[:_LISTED],
                subject="configured users",
            )
