"""FTP and TFTP servers that start by themselves."""

from collections.abc import Iterable

from customhouse.model import DeviceFacts, Finding, Service, Severity

from .check import Check
from .service_words import chain, condition, is_open, where


class FileTransferAtBoot(Check):
    """Files in clear text, to and from the network."""

    rule = "boot.file-transfer"
    asks = "Does the device hand out or take files over FTP or TFTP?"
    clauses = ("EN 303 645 5.5-1", "EN 303 645 5.6-1", "CRA I(2)(j)", "EN 18031-1 SCM")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for service in device.services:
            if service.kind in ("ftp", "tftp") and is_open(service):
                free = service.authentication == "none"
                yield self.finding(
                    severity=_severity(service),
                    title=f"{service.kind.upper()} starts at boot" + (" and asks for no password" if free else ""),
                    detail=f"{chain(service)}{where(service)}.{condition(service)}",
                    remedy="Do not start it; offer files over HTTPS or SSH, to those who are allowed to have them.",
                    evidence=service.evidence,
                    subject=service.program,
                )


def _severity(service: Service) -> Severity:
    """Writing without a password can replace programs or settings; reading gives settings away."""
    if service.authentication != "none":
        return Severity.MEDIUM
    writes = any(word in ("-w", "-c", "--create") for word in service.arguments)
    return Severity.HIGH if writes else Severity.MEDIUM
