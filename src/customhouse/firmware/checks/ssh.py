"""SSH servers that start by themselves."""

from collections.abc import Iterable

from customhouse.model import DeviceFacts, Finding, Severity

from .check import Check
from .service_words import chain, condition, is_open, where


class SshAtBoot(Check):
    """A shell over the network, encrypted."""

    rule = "boot.ssh"
    asks = "Does an SSH server start without anyone switching it on, and does it take passwords?"
    clauses = ("EN 303 645 5.6-1", "EN 303 645 5.6-5", "CRA I(2)(j)")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for service in device.services:
            if service.kind != "ssh" or not is_open(service):
                continue
            # Encrypted and asking: what is left are guessed passwords. Whether one is known is asked of the accounts.
            keys = service.authentication == "key"
            yield self.finding(
                severity=Severity.INFO if keys else Severity.LOW,
                title="An SSH server starts at boot" + (", for keys only" if keys else " and takes passwords"),
                detail=f"{chain(service)}{where(service)}.{condition(service)}",
                remedy="Let the owner switch it on, and accept keys only.",
                evidence=service.evidence,
                subject=service.program,
            )
