"""Which secrets does every owner of this firmware share?"""

import re
from collections.abc import Iterable
from datetime import date

from customhouse.model import Confidence, DeviceFacts, Finding, Secret, Severity

from .check import Check, DatedCheck

_CLAUSES = ("EN 303 645 5.4-3", "EN 303 645 5.4-4", "CRA I(2)(d)", "EN 18031-1 CCK")
_SAMPLE_PATH = re.compile(r"(?i)/(?:tests?|examples?|samples?|demo|doc|docs)/")
_FIELD = re.compile(r"(\w+)=([^;]+)")
_RSA_LEAST = 2048
_EC_LEAST = 224
_LISTED = 12


def _is_sample(secret: Secret) -> bool:
    return all(_SAMPLE_PATH.search(place.path) for place in secret.evidence)


def _used(secret: Secret) -> str:
    return (
        f" Used by {', '.join(secret.used_by[:6])}." if secret.used_by else " Nothing in the image was seen to name it."
    )


class PrivateKeys(Check):
    rule = "secrets.private-key"
    asks = "Is a private key part of the firmware?"
    clauses = _CLAUSES

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for secret in device.secrets:
            if secret.kind != "private-key":
                continue
            encrypted, sample = secret.detail.startswith("encrypted"), _is_sample(secret)
            # Whoever has the firmware has the key, so what it protects is protected from nobody; used by a service it
            # is in the field, unused it may be left over. A key under a pass phrase, or a sample, opens nothing.
            severity = Severity.HIGH if secret.used_by else Severity.MEDIUM
            yield self.finding(
                severity=Severity.LOW if encrypted or sample else severity,
                title=f"A private key ({secret.subject}) is part of the firmware: {secret.evidence[0].path}",
                detail=f"It is {secret.detail}." + _used(secret),
                remedy="Let each device make its own key at first start, and revoke this one.",
                evidence=secret.evidence,
                tags=() if encrypted or sample else ("embedded-private-key",),
                subject=secret.evidence[0].path,
            )


class Credentials(Check):
    rule = "secrets.credential"
    asks = "Does the firmware hold keys or passwords of other people's services?"
    clauses = _CLAUSES

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for secret in device.secrets:
            if secret.kind in ("api-key", "token", "password"):
                # Its owner cannot tell one device from another, nor from whoever downloaded the firmware.
                yield self.finding(
                    severity=Severity.MEDIUM if secret.kind == "token" else Severity.HIGH,
                    confidence=Confidence.MEDIUM,
                    title=f"A credential is part of the firmware: {secret.subject}",
                    detail=f"It stands in {secret.evidence[0].path}." + _used(secret),
                    remedy="Revoke it, and give each device a credential of its own.",
                    evidence=secret.evidence,
                    subject=secret.evidence[0].path,
                )


class WifiKeys(Check):
    rule = "secrets.wifi-key"
    asks = "Is the key of a wireless network fixed in the firmware?"
    clauses = _CLAUSES

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        keys = [secret for secret in device.secrets if secret.kind == "wifi-key"]
        if keys:
            names = ", ".join(dict.fromkeys(secret.subject or "?" for secret in keys[:_LISTED]))
            # A maker's test network, or the same key for every device's own network: both let strangers in.
            yield self.finding(
                severity=Severity.MEDIUM,
                title=f"Keys of wireless networks are part of the firmware: {names}",
                remedy="Ship no network, and make the key of the device's own network differ on each device.",
                evidence=tuple(place for secret in keys for place in secret.evidence[:1])[:_LISTED],
                subject="wireless networks",
            )


def fields(secret: Secret) -> dict[str, str]:
    """The `name=value` words of a certificate's detail."""
    return {name: value.strip() for name, value in _FIELD.findall(secret.detail)}


def faults(secret: Secret, today: date | None) -> list[str]:
    """What is wrong with a certificate on a day."""
    found = []
    words = fields(secret)
    until = words.get("until", "")
    if today is not None and until and date.fromisoformat(until) < today:
        found.append(f"expired on {until}")
    kind, _, size = words.get("key", "").partition(" ")
    least = {"RSA": _RSA_LEAST, "DSA": _RSA_LEAST, "EC": _EC_LEAST}.get(kind)
    if least is not None and size.isdigit() and int(size) < least:
        found.append(f"its {kind} key has only {size} bits")
    if words.get("signature") in ("md5", "sha1", "md2") and "self-signed" not in secret.detail:
        found.append(f"signed with {words['signature']}")
    return found


class Certificates(DatedCheck):
    rule = "secrets.certificate"
    asks = "Are the device's certificates valid and strong?"
    clauses = ("EN 303 645 5.5-1", "CRA I(2)(e)", "EN 18031-1 CRY-1")

    def findings_on(self, device: DeviceFacts, today: date | None) -> Iterable[Finding]:
        keys = {place.path for s in device.secrets if s.kind == "private-key" for place in s.evidence}
        bad: list[tuple[Secret, list[str]]] = []
        for secret in device.secrets:
            if secret.kind != "certificate":
                continue
            own = "; ca" not in secret.detail or any(place.path in keys for place in secret.evidence)
            wrong = faults(secret, today) if own else [f for f in faults(secret, today) if f.startswith("expired")]
            if wrong:
                bad.append((secret, wrong))
        if bad:
            listed = "; ".join(f"{s.subject[:60] or s.evidence[0].path}: {', '.join(w)}" for s, w in bad[:_LISTED])
            # Peers that check will refuse it, and peers that do not are no better off with it.
            yield self.finding(
                severity=Severity.MEDIUM,
                title=f"{len(bad)} certificate{'s are' if len(bad) > 1 else ' is'} expired or weak",
                detail=listed,
                remedy="Issue certificates with strong keys for each device, and a way to renew them.",
                evidence=tuple(place for secret, _ in bad for place in secret.evidence[:1])[:_LISTED],
                subject="certificates",
            )
