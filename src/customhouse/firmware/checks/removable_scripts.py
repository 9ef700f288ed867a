"""Scripts that the device runs from a memory card or a USB stick."""

from collections.abc import Iterable

from customhouse.model import DeviceFacts, Finding, Severity

from .check import Check
from .service_words import chain, condition


class ScriptFromRemovableMedia(Check):
    """Put in a card, become root."""

    rule = "boot.removable-script"
    asks = "Does the start-up run a program from removable media?"
    clauses = ("EN 303 645 5.6-4", "EN 303 645 5.7-1", "CRA I(2)(j)", "EN 18031-1 GEC-6")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for service in device.services:
            if service.kind == "removable":
                yield self.finding(
                    # It takes a hand on the device, but no tools: a card and a minute.
                    severity=Severity.MEDIUM,
                    title=f"At boot {service.program} is run from removable media, as {service.user}",
                    detail=f"{chain(service)}.{condition(service)} Nothing shows that its origin is checked.",
                    remedy="Do not run what is on removable media, or only what is signed.",
                    evidence=service.evidence,
                    tags=("debug-interface",),
                    subject=service.program,
                )
