"""Do pages of the device run what a request says?"""

from collections.abc import Iterable

from customhouse.model import DeviceFacts, Finding, Severity

from ..link.web_handlers import LANGUAGES
from .check import Check


class CommandFromRequest(Check):
    rule = "web.command"
    asks = "Does a script of the web server run a command that a request's parameter is part of?"
    clauses = ("EN 303 645 5.13-1", "CRA I(2)(j)", "EN 18031-1 GEC-6")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for flow in device.flows:
            if flow.architecture not in LANGUAGES or flow.kind != "command":
                continue
            who = f" as {flow.user}" if flow.user else ""
            # Whoever may send the request runs commands; whether a login stands before the page cannot be read off it.
            yield self.finding(
                severity=Severity.HIGH if flow.at_boot else Severity.MEDIUM,
                confidence=flow.confidence,
                title=f"{flow.program} runs a command made of what a request sends{who}",
                detail=f"{flow.source} reaches {flow.sink}: {flow.command}",
                remedy="Check the parameter against what it may be, and start the program without a shell.",
                evidence=flow.evidence,
                subject=flow.program,
            )
