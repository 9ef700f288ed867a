"""Hosts that the device may talk to, with the programs that name them; what is only named for reading is told apart."""

import functools
import ipaddress
import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Final

from customhouse.model import Endpoint, Evidence, FileFacts, FileKind, HostMention

from .files import Files

CLEAR_TEXT: Final = frozenset(
    {"http", "ftp", "tftp", "mqtt", "ws", "rtsp", "rtmp", "telnet", "coap", "ldap", "smtp", "sip", "amqp"}
)
_ROLES: Final = ("service", "local", "link", "documentation", "namespace")
"""From the most to the least telling: a host has the most telling role of its mentions."""
_PLACES_MOST: Final = 5
_PROGRAMS_MOST: Final = 20
_ENDPOINTS_MOST: Final = 1000
_READING_PATH: Final = re.compile(
    r"(?i)/(?:doc|docs|man|info|licen[cs]es?|copyright|help|readme|changelog|copying|authors)(?:/|$|\.)|/usr/lib/opkg/|/lib/opkg/info/|\.control$|\.(?:md|po|rst)$"
    r"|/etc/(?:banner|issue|motd|os-release|openwrt_release|device_info|services|protocols|rpc)|/usr/lib/os-release"
    r"|/(?:xtables|iptables|ebtables)/"
)
_PAGE_PATH: Final = re.compile(r"(?i)\.(?:html?|css|svg|xsl|js|asp|htm|lng)(?:\.gz)?$")
_NAMESPACE: Final = re.compile(
    r"xmlns|DOCTYPE|schemaLocation|targetNamespace|urn:|/(?:ns|schemas?|wsdl|xsd)/|\.(?:dtd|xsd|wsdl)\b|/\d{4}/\d\d/"
)
_OWN_ADDRESS: Final = re.compile(
    r"\bifconfig[ \t]+\S+[ \t]+(?:inet[ \t]+)?\d+\.\d+\.\d+\.\d+"
    r"|addr(?:ess)?[=\"': ]{1,4}\d+\.\d+\.\d+\.\d+[\"', ]{1,4}(?:net|sub)?_?mask",
    re.IGNORECASE,
)
_HANDS_OUT: Final = re.compile(r"/u?dhcpd[^/]*\.conf")
_READING_HOSTS: Final = ("docs.", "doc.", "wiki.", "bugs.", "bugzilla.", "forum.", "forums.", "lists.", "blog.")
_SHOWN: Final = re.compile(
    r"translate\(|placeholder|_\(\"|untrusted comment|manufacturer|href=|copyright|bug-?report",
    re.IGNORECASE,
)
_QUOTED: Final = re.compile(r"\breferer:|https?:&#", re.IGNORECASE)
"""A header that says where one came from, and an address written out in a page: neither is whom one talks to."""
_COMMENT: Final = re.compile(r"^\s*(?:#|//|/?\*|;|--|<!--|%)")
_PROSE: Final = re.compile(r"(?:[A-Za-z'()<>-]{2,}[,.:;]? +){3,}")
_DOING: Final = re.compile(
    r"(?i)\b(?:wget|curl|ping6?|nslookup|ntpdate|ntpd|ntpclient|tftp|ftpget|GET|POST|server|connect|url|host)\b"
)


def endpoints(files: Files) -> tuple[Endpoint, ...]:
    """One endpoint for each (host, scheme, port) that the device may talk to, the far ones first, then by domain."""
    found: dict[tuple[str, str, int | None], _Gathered] = {}
    for path, facts in _mentioning(files):
        assert facts.content is not None
        for mention in facts.content.hosts:
            gathered = found.setdefault((mention.host, mention.scheme, mention.port), _Gathered())
            gathered.add(path, role_of(mention, path, facts), files.evidence(path, mention.excerpt, mention.offset))
    own = _own_networks(files)
    for (host, _, _), gathered in found.items():
        if _network(host) in own:
            gathered.role = max(gathered.role, _ROLES.index("local"))
    made = [_endpoint(key, gathered) for key, gathered in found.items() if _is_peer(key, gathered)]
    order = sorted(made, key=lambda e: (_ROLES.index(e.role), e.domain or e.host, e.host, e.scheme, e.port or 0))
    return tuple(order[:_ENDPOINTS_MOST])


def _is_peer(key: tuple[str, str, int | None], gathered: "_Gathered") -> bool:
    """What is only named for reading is no peer; a local address is one where a scheme or port says it is spoken to."""
    _, scheme, port = key
    role = _ROLES[gathered.role]
    return role == "service" or (role == "local" and (bool(scheme) or port is not None))


def _own_networks(files: Files) -> set[str]:
    """The /24 networks out of which the device itself hands out addresses; makers take public ones as they like."""
    found: set[str] = set()
    for path, facts in _mentioning(files):
        if _HANDS_OUT.search(path) and facts.content is not None:
            found |= {network for mention in facts.content.hosts if (network := _network(mention.host))}
    return found


def _network(host: str) -> str:
    return host.rpartition(".")[0] if re.fullmatch(r"\d+\.\d+\.\d+\.\d+", host) else ""


class _Gathered:
    """Mentions of one endpoint."""

    def __init__(self) -> None:
        self.role = len(_ROLES) - 1
        self.programs: dict[str, None] = {}
        self.evidence: list[tuple[int, Evidence]] = []

    def add(self, path: str, role: str, evidence: Evidence) -> None:
        rank = _ROLES.index(role)
        self.role = min(self.role, rank)
        self.programs[path] = None
        self.evidence.append((rank, evidence))


def _endpoint(key: tuple[str, str, int | None], gathered: _Gathered) -> Endpoint:
    host, scheme, port = key
    places = sorted(gathered.evidence, key=lambda ranked: ranked[0])
    return Endpoint(
        host=host,
        scheme=scheme,
        port=port,
        domain=registrable(host),
        role=_ROLES[gathered.role],
        clear_text=scheme in CLEAR_TEXT,
        programs=tuple(gathered.programs)[:_PROGRAMS_MOST],
        evidence=tuple(evidence for _, evidence in places[:_PLACES_MOST]),
    )


def _mentioning(files: Files) -> Iterator[tuple[str, FileFacts]]:
    seen: set[str] = set()
    for path, node in sorted(files.nodes.items()):
        facts = files.facts.get(node.digest) if node.digest is not None else None
        if facts is None or facts.content is None or not facts.content.hosts or facts.digest in seen:
            continue
        seen.add(facts.digest)
        yield path, facts


def role_of(mention: HostMention, path: str, facts: FileFacts) -> str:
    """What a mention says about the host; see `Endpoint.role`."""
    known = _known_role(mention.host)
    if known:
        return known
    excerpt = mention.excerpt
    if mention.host.startswith(_READING_HOSTS):
        return "documentation"
    if mention.scheme in ("http", "") and _NAMESPACE.search(excerpt):
        return "namespace"
    if _READING_PATH.search(path) or facts.kind in (FileKind.KERNEL_MODULE, FileKind.PEM):
        return "documentation"
    if facts.kind in (FileKind.TEXT, FileKind.SCRIPT):
        if _PAGE_PATH.search(path):
            return "link"
        if _COMMENT.match(_line(facts, mention)) or _SHOWN.search(mention.excerpt):
            return "documentation"
    elif _is_remark(excerpt, facts.kind):
        return "documentation"
    return "local" if _is_local(mention.host) or _OWN_ADDRESS.search(excerpt) else "service"


def _is_remark(excerpt: str, kind: FileKind) -> bool:
    """A sentence for readers, or a comment in a content that was not kept as text."""
    if _QUOTED.search(excerpt) or (kind is FileKind.DATA and (_COMMENT.match(excerpt) or _SHOWN.search(excerpt))):
        return True
    return bool(_PROSE.search(excerpt)) and not _DOING.search(excerpt)


def _line(facts: FileFacts, mention: HostMention) -> str:
    """The line in which the mention stands; its excerpt where the text was not kept."""
    if facts.text is None:
        return mention.excerpt
    text = facts.text.text.encode("utf-8", "replace") if not facts.text.text.isascii() else facts.text.text.encode()
    start = text.rfind(b"\n", 0, mention.offset) + 1
    return text[start : mention.offset + 1].decode("utf-8", "replace")


@functools.cache
def _known_role(host: str) -> str:
    table = _table()
    labels = host.split(".")
    for start in range(len(labels)):
        role = table.get(".".join(labels[start:]))
        if role:
            return role
    return ""


@functools.cache
def _table() -> dict[str, str]:
    raw = tomllib.loads(resources.files(__package__).joinpath("documentation_hosts.toml").read_text("utf-8"))
    roles = {"namespaces": "namespace", "documentation": "documentation", "examples": "documentation"}
    return {host: role for key, role in roles.items() for host in raw[key]}


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.endswith((".lan", ".local", ".home", ".localdomain", ".internal"))
    return address.is_private or address.is_link_local or address.is_multicast


@functools.cache
def registrable(host: str) -> str:
    """The registrable domain by the public suffix list; empty for addresses and for bare suffixes."""
    if re.fullmatch(r"[\d.]+|[0-9a-f:]*:[0-9a-f:]*", host):
        return ""
    return _suffixes().privatesuffix(host) or ""


@functools.cache
def _suffixes():  # type: ignore[no-untyped-def]  # publicsuffixlist has no types
    from publicsuffixlist import PublicSuffixList  # reads its list at import, which an image without hosts need not pay

    return PublicSuffixList(accept_unknown=True)
