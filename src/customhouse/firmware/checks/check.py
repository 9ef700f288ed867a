"""What a check is: one question about the device, answered from its facts in a page."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import date
from typing import ClassVar

from customhouse.model import Confidence, DeviceFacts, Evidence, Finding, Severity


class Check(ABC):
    """Subclasses say what they ask and answer it in `findings`. They open no file and run no command."""

    rule: ClassVar[str]
    """Stable identifier of the question: `boot.telnet`."""
    asks: ClassVar[str]
    """The question in one sentence, for the documentation."""
    clauses: ClassVar[tuple[str, ...]] = ()
    """Clauses of standards that its findings bear on."""

    @abstractmethod
    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        """Answers, each with its evidence; none when the device gives no reason for one."""

    def findings_on(self, device: DeviceFacts, today: date | None) -> Iterable[Finding]:
        """The same on a given day. Only questions about age need the day, and they override this."""
        return self.findings(device)

    def finding(
        self,
        *,
        severity: Severity,
        title: str,
        confidence: Confidence = Confidence.HIGH,
        detail: str = "",
        remedy: str = "",
        evidence: tuple[Evidence, ...] = (),
        tags: tuple[str, ...] = (),
        subject: str = "",
    ) -> Finding:
        """A finding of this check, its rule and clauses filled in."""
        return Finding(
            rule=self.rule,
            severity=severity,
            confidence=confidence,
            title=title,
            detail=detail,
            remedy=remedy,
            evidence=evidence,
            clauses=self.clauses,
            tags=tags,
            subject=subject,
        )


class DatedCheck(Check):
    """A question whose answer depends on the day: expired certificates, the age of a kernel."""

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        return self.findings_on(device, None)

    @abstractmethod
    def findings_on(self, device: DeviceFacts, today: date | None) -> Iterable[Finding]:
        """Without a day, say only what holds on any day."""
