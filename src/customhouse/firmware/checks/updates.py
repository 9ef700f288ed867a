"""How does new firmware arrive, and who checks it?"""

from collections.abc import Iterable

from customhouse.model import Confidence, DeviceFacts, Finding, NodeKind, Severity, UpdatePath

from .check import Check

_CLAUSES = ("EN 303 645 5.3-2", "EN 303 645 5.3-9", "EN 303 645 5.3-10", "CRA I(2)(c)", "EN 18031-1 SUM")
_FETCHED_PLAIN = frozenset({"http", "ftp", "tftp"})


class UnverifiedUpdate(Check):
    rule = "updates.unverified"
    asks = "Is new firmware written without a check of who made it?"
    clauses = _CLAUSES

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for path in device.updates:
            if path.signature_checked is not False:
                continue
            fetched = path.transport in _FETCHED_PLAIN
            # Fetched in clear text, anyone on the way replaces the whole device; handed over by an administrator, the
            # same needs his mistake or his password first.
            yield self.finding(
                severity=Severity.HIGH if fetched or path.certificate_checked is False else Severity.MEDIUM,
                confidence=Confidence.HIGH if path.mechanism.startswith(("script", "opkg")) else Confidence.MEDIUM,
                title=f"Updates by {path.mechanism} are installed without a signature check"
                + (f", fetched over {path.transport}" if fetched else ""),
                detail=_detail(path),
                remedy="Verify a signature with a key in the device before anything is written to flash.",
                evidence=path.evidence,
                tags=("update-unverified",) if path.mechanism.startswith(("script", "opkg")) else (),
                subject=path.mechanism,
            )


def _detail(path: UpdatePath) -> str:
    return " ".join(filter(None, (path.detail, f"Transport: {path.transport}.")))


class UncheckedCertificate(Check):
    rule = "updates.certificate"
    asks = "Are certificate checks switched off where firmware is fetched?"
    clauses = ("EN 303 645 5.5-1", "EN 303 645 5.5-7", "CRA I(2)(e)", "EN 18031-1 SCM", "EN 18031-1 SUM")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for path in device.updates:
            if path.certificate_checked is False:
                yield self.finding(
                    # With a signature checked afterwards, an impostor can only withhold updates.
                    severity=Severity.MEDIUM if path.signature_checked else Severity.HIGH,
                    title=f"{path.mechanism} fetches updates with certificate checks switched off",
                    detail=path.detail,
                    remedy="Check the server's certificate and its name.",
                    evidence=path.evidence,
                    subject=path.mechanism,
                )


class NoUpdatePath(Check):
    rule = "updates.none"
    asks = "Is there any way for new firmware to arrive?"
    clauses = ("EN 303 645 5.3-1", "EN 303 645 5.3-2", "CRA I(2)(c)", "EN 18031-1 SUM")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        if device.updates or not _has_root(device):
            return
        # An updater may hide in a program whose strings do not tell: nothing was found is all that can be said.
        yield self.finding(
            severity=Severity.LOW,
            confidence=Confidence.LOW,
            title="No way for new firmware to arrive was found",
            detail="No script, program, package feed, web form or remote management was recognised.",
            remedy="Ask the vendor how flaws are fixed in devices that are already sold.",
            subject="updates",
        )


def _has_root(device: DeviceFacts) -> bool:
    return any(
        node.kind is NodeKind.FILE and node.path.startswith(("/etc/", "/bin/", "/sbin/")) for node in device.tree.nodes
    )


class UnclearVerification(Check):
    rule = "updates.unclear"
    asks = "Where could it not be told whether updates are verified?"
    clauses = ("EN 303 645 5.3-9", "EN 18031-1 SUM")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        unclear = [path for path in device.updates if path.signature_checked is None]
        if unclear:
            named = ", ".join(path.mechanism for path in unclear[:6])
            yield self.finding(
                severity=Severity.INFO,
                confidence=Confidence.LOW,
                title=f"Whether updates are verified could not be told for {named}",
                remedy="Try a changed image on the device, or ask the vendor what is verified with which key.",
                evidence=tuple(place for path in unclear for place in path.evidence[:1])[:8],
                subject="updates",
            )
