"""Whom does the device talk to in clear text?"""

from collections.abc import Iterable

from customhouse.model import Confidence, DeviceFacts, Endpoint, Finding, Severity

from .check import Check

_LISTED = 15


class ClearTextHosts(Check):
    rule = "endpoints.clear-text"
    asks = "Are hosts of the Internet spoken to over protocols that anyone on the way can read and change?"
    clauses = ("EN 303 645 5.5-1", "CRA I(2)(e)", "EN 18031-1 SCM")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        plain = [endpoint for endpoint in device.endpoints if endpoint.role == "service" and endpoint.clear_text]
        if not plain:
            return
        domains: dict[str, list[Endpoint]] = {}
        for endpoint in plain:
            domains.setdefault(endpoint.domain or endpoint.host, []).append(endpoint)
        listed = ", ".join(f"{domain} ({_schemes(found)})" for domain, found in list(domains.items())[:_LISTED])
        # A name in a program is no proof of use; a firmware that fetches code this way is the update check's finding.
        yield self.finding(
            severity=Severity.MEDIUM,
            confidence=Confidence.MEDIUM,
            title=f"Hosts of {len(domains)} domain{'s' if len(domains) > 1 else ''} are addressed in clear text",
            detail=listed,
            remedy="Use TLS and check the certificate and the name in it.",
            evidence=tuple(place for endpoint in plain for place in endpoint.evidence[:1])[:_LISTED],
            subject="clear-text hosts",
        )


def _schemes(endpoints: list[Endpoint]) -> str:
    return ", ".join(sorted({endpoint.scheme for endpoint in endpoints}))
