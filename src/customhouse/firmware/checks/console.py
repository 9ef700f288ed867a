"""The serial console: a shell for whoever opens the case."""

from collections.abc import Iterable

from customhouse.model import DeviceFacts, Finding, Severity

from .check import Check
from .service_words import chain, condition


class ConsoleWithoutLogin(Check):
    """A root shell on the serial port."""

    rule = "boot.console"
    asks = "Does the serial console give a shell without a login?"
    clauses = ("EN 303 645 5.6-4", "CRA I(2)(j)", "EN 18031-1 GEC-6")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for service in device.services:
            if service.kind == "console" and service.at_boot and service.authentication == "none":
                yield self.finding(
                    # It takes the device in hand and open; then all of its secrets are read.
                    severity=Severity.MEDIUM,
                    title=f"The serial console gives a {service.user} shell without a login",
                    detail=f"{chain(service)}.{condition(service)} Whoever reaches its contacts needs no password.",
                    remedy="Run a login on the console, or none at all in devices that are sold.",
                    evidence=service.evidence,
                    tags=("debug-interface",),
                    subject=service.program,
                )
