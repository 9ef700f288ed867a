"""Telnet: a shell over the network in clear text."""

from collections.abc import Iterable

from customhouse.firmware.link.services import ABSENT
from customhouse.model import DeviceFacts, Finding, Service, Severity

from .accounts import certain, doors, is_root
from .check import Check
from .service_words import chain, condition, is_open, possible, where

_CLAUSES = ("EN 303 645 5.5-1", "EN 303 645 5.6-1", "EN 303 645 5.6-5", "CRA I(2)(j)", "EN 18031-1 GEC-2")


class TelnetAtBoot(Check):
    """A telnet server that starts by itself."""

    rule = "boot.telnet"
    asks = "Does the device offer a clear-text shell to the network without anyone switching it on?"
    clauses = _CLAUSES

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for service in device.services:
            if service.kind == "telnet" and is_open(service):
                yield self._of(service, _told_of_root(service, device))

    def _of(self, service: Service, told: bool) -> Finding:
        # A root shell for whoever connects leaves nothing to attack; one that asks for a password still sends it in
        # clear text, and every guess is free.
        # Where the accounts already say that this service lets root in, it is said once.
        free = service.authentication == "none" and not told
        root = service.user == "root"
        title = (
            f"Anyone on the network {'becomes root' if root else 'gets a shell'}: telnet asks for no password"
            if free
            else "A telnet server starts at boot"
        )
        return self.finding(
            severity=Severity.CRITICAL if free else Severity.HIGH,
            title=title,
            detail=f"{chain(service)}{where(service)}.{condition(service)}",
            remedy="Do not start it. For maintenance use SSH with keys, switched on by the owner.",
            evidence=service.evidence,
            tags=("remote-root",) if free and root else (),
            subject=service.program,
        )


def _told_of_root(service: Service, device: DeviceFacts) -> bool:
    """Whether the finding on an account without a password is about this service and as grave."""
    return any(
        account.empty and account.remote and is_root(account) and service in opened and certain(account, opened)
        for account in device.accounts
        for opened in [doors(account, device)]
    )


class TelnetNotStarted(Check):
    """A telnet server that lies ready."""

    rule = "boot.telnet-present"
    asks = "Is there a telnet server that does not start by itself, or only under a condition?"
    clauses = ("EN 303 645 5.6-5", "EN 303 645 5.6-7")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        telnet = [service for service in device.services if service.kind == "telnet"]
        if any(is_open(service) for service in telnet):
            return
        for service in telnet:
            if ABSENT in service.condition:
                continue
            maybe = possible(service)
            yield self.finding(
                # A condition that we cannot decide may be a button, a factory mode or a request from the network.
                severity=Severity.LOW if maybe else Severity.INFO,
                title="A telnet server may be started" if maybe else "A telnet server is present and is not started",
                detail=f"{chain(service)}.{condition(service)}" if service.started_by else "Nothing starts it.",
                remedy="Leave it out of the image.",
                evidence=service.evidence,
                subject=service.program,
            )


class TelnetPasswordInScript(Check):
    """`telnetd -u Alphanetworks:wrgn22`: the same for all devices, and readable in every one."""

    rule = "boot.telnet-password"
    asks = "Does a start script give telnet a user and a password of its own?"
    clauses = ("EN 303 645 5.1-1", "EN 303 645 5.4-3", "CRA I(2)(d)", "PSTI 1", "EN 18031-1 AUM")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for service in device.services:
            login = _login(service)
            if service.kind != "telnet" or not login:
                continue
            yield self.finding(
                # Started by itself it is a key to every device; under a condition, a key that waits for its door.
                severity=Severity.CRITICAL if is_open(service) else Severity.HIGH,
                title=f"Telnet takes the user {login[0]} with a password that every device has",
                detail=f"{chain(service)}{where(service)}.{condition(service)}",
                remedy="Remove the account from the script.",
                evidence=service.evidence,
                tags=("universal-password", "back-door") if is_open(service) else (),
                subject=login[0],
            )


def _login(service: Service) -> tuple[str, str] | None:
    """User and password after `-u`, where both are written out."""
    for word, value in zip(service.arguments, service.arguments[1:], strict=False):
        user, colon, password = value.partition(":")
        if word == "-u" and colon and user and password and "$" not in value and "`" not in value:
            return user, password
    return None
