"""A web interface without TLS."""

from collections.abc import Iterable

from customhouse.model import DeviceFacts, Finding, Service, Severity

from .check import Check
from .service_words import chain, condition, is_open, where

_TLS_PORTS = frozenset({443, 8443, 4443})


class ClearTextWeb(Check):
    """Passwords of the web interface in clear text."""

    rule = "boot.web-clear-text"
    asks = "Is the web interface offered without encryption?"
    clauses = ("EN 303 645 5.5-1", "EN 303 645 5.5-7", "CRA I(2)(e)", "EN 18031-1 SCM")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for service in device.services:
            if service.kind == "http" and is_open(service) and _in_clear(service):
                yield self.finding(
                    # Whoever shares the network reads the password; with most devices behind a router that is few.
                    severity=Severity.LOW,
                    title="The web interface is offered without encryption",
                    detail=f"{chain(service)}{where(service)}.{condition(service)}",
                    remedy="Offer it over HTTPS with a key of the device's own, and send HTTP there.",
                    evidence=service.evidence,
                    subject=service.program,
                )


def _in_clear(service: Service) -> bool:
    return any(port.protocol == "tcp" and port.number not in _TLS_PORTS for port in service.ports)
