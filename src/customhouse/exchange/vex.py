"""What the VEX formats share: what a statement says in words, and telling the formats apart."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

from customhouse.host.errors import InputError
from customhouse.model import Purl, VexStatement, VexSubject, Vulnerability

MOST_BYTES = 64 * 1024 * 1024


def purl_of(component: str, version: str) -> Purl:
    """A generic package URL for a component that has no better one."""
    tail = f"@{quote(version, safe='.-_~+')}" if version else ""
    return Purl(f"pkg:generic/{quote(component, safe='.-_~')}{tail}")


def product_purl(subject: VexSubject) -> Purl:
    """The product as a package URL; an image by its name and digest."""
    known = f"?checksum=sha256:{subject.sha256}" if subject.sha256 else ""
    return Purl(f"{purl_of(subject.name, subject.version)}{known}")


def parts_of(purl: str) -> tuple[str, str]:
    """Name and version of a package URL."""
    bare = purl.split("?", 1)[0].split("#", 1)[0]
    head, _, version = bare.partition("@")
    return unquote(head.rsplit("/", 1)[-1]), unquote(version)


def grounds(row: Vulnerability) -> str:
    """What a statement rests on and what would reopen it, as one paragraph."""
    reach = row.reachability
    parts = [reach.explanation, f"Matched because {row.matched_because}."]
    if reach.facts:
        parts.append("Facts: " + "; ".join(f"{item.fact} ({item.source})" for item in reach.facts) + ".")
    if reach.reopens_if and reach.status == "not_affected":
        parts.append("Reopens if: " + "; ".join(reach.reopens_if) + ".")
    if reach.positions:
        parts.append("Attacker positions: " + ", ".join(reach.positions) + ".")
    return " ".join(part for part in parts if part)


def action(row: Vulnerability) -> str:
    """What to do about an affected component."""
    fixed = f"Update {row.component} to {' or '.join(row.fixed)}." if row.fixed else ""
    if row.reachability.perimeter:
        return f"Keep inbound connections closed at the router, UPnP off and IPv6 filtered. {fixed}".strip()
    keep = "Keep those who can reach it away from the device until it is updated."
    return f"{fixed} {keep}".strip()


def read_vex(name: str, content: bytes) -> tuple[VexStatement, ...]:
    """Statements of an OpenVEX, CycloneDX or CSAF document. Raises InputError with one line."""
    # Here, not above: each reader leans on this module.
    from . import csaf, cyclonedx_vex, openvex

    document = load(name, content)
    if str(document.get("@context", "")).startswith("https://openvex.dev"):
        return openvex.read(name, document)
    if document.get("bomFormat") == "CycloneDX":
        return cyclonedx_vex.read(name, document)
    tracked = document.get("document")
    if isinstance(tracked, dict) and "csaf_version" in tracked:
        return csaf.read(name, document)
    raise InputError(f"{name}: neither OpenVEX, nor CycloneDX, nor CSAF", hint="VEX is read from their JSON forms")


def load(name: str, content: bytes) -> dict[str, Any]:
    """A JSON object. Raises InputError for anything else."""
    if len(content) > MOST_BYTES:
        raise InputError(f"{name}: {len(content)} bytes is no VEX document")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: not JSON ({str(error)[:80]})") from None
    if not isinstance(document, dict):
        raise InputError(f"{name}: not a VEX document")
    return document


def texts(value: object) -> tuple[str, ...]:
    """The strings of what should be a list of strings."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def objects(value: object) -> tuple[dict[str, Any], ...]:
    """The objects of what should be a list of objects."""
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def components_of(rows: Sequence[Vulnerability]) -> tuple[tuple[str, str], ...]:
    """Every (component, version) that rows speak of, in order."""
    return tuple(dict.fromkeys((row.component, row.version) for row in sorted(rows, key=lambda row: row.component)))
