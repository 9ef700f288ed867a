"""UPnP: services that anyone on the local network may command."""

from collections.abc import Iterable

from customhouse.model import DeviceFacts, Finding, Severity

from .check import Check
from .service_words import chain, condition, is_open, where


class UpnpAtBoot(Check):
    """A protocol without authentication by design."""

    rule = "boot.upnp"
    asks = "Does the device take UPnP requests from whoever sends them?"
    clauses = ("EN 303 645 5.6-1", "CRA I(2)(j)", "EN 18031-1 GEC-2")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for service in device.services:
            if service.kind == "upnp" and is_open(service):
                yield self.finding(
                    # No flaw in itself; its parsers have been one many times, and it opens ports for those who ask.
                    severity=Severity.LOW,
                    title="A UPnP service starts at boot",
                    detail=f"{chain(service)}{where(service)}.{condition(service)}",
                    remedy="Let the owner switch it on; answer on the local network only.",
                    evidence=service.evidence,
                    subject=service.program,
                )
