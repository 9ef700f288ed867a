"""How new firmware arrives: scripts that write flash, programs that do, package feeds, web forms, remote management.

Each way says over which transport it fetches, whether something verifies a signature before flash is written, and
whether certificate checks are switched off. None stands for "could not be told": a program may hide a check from its
strings.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from customhouse.model import ContentFacts, Evidence, FileFacts, FileKind, Service, UpdatePath

from .files import Files

_WRITES: Final = ("flash-write", "flash-device-written")
_VERIFIERS: Final = re.compile(
    r"^(?:RSA_verify|RSA_public_decrypt|EVP_VerifyFinal|EVP_DigestVerify(?:Final)?|ECDSA_(?:do_)?verify|DSA_verify|ED25519_verify"
    r"|EVP_PKEY_verify|mbedtls_pk_verify|mbedtls_rsa_(?:rsassa_\w+|pkcs1)_verify\w*|mbedtls_ecdsa_(?:read|verify)\w*|wc_RsaSSL_Verify\w*"
    r"|wc_ecc_verify_hash|wc_ed25519_verify_msg|rsa_verify_hash\w*|ecc_verify_hash|crypto_sign_(?:verify_detached|open)|edsign_verify"
    r"|gcry_pk_verify|PKCS7_verify|CMS_verify|uECC_verify|br_rsa_\w*vrfy\w*)$"
)
_FETCH: Final = re.compile(r"\b(?:wget|curl|tftp|ftpget|uclient-fetch|aria2c|scp|rsync)\b")
_URL: Final = re.compile(r"\b(https|http|ftp|tftp)://")
_REMOVABLE: Final = re.compile(r"/(?:mnt|media|tmp/mnt|sdcard|mmc|usb\w*|tmp/sd)\b", re.IGNORECASE)
_NOT_UPDATE: Final = re.compile(
    r"^/(?:lib/preinit|etc/uci-defaults|lib/firmware|usr/lib/opkg|etc/board\.d|rom)/|\.(?:control|list|md5sums)$"
)
_INFRASTRUCTURE: Final = re.compile(r"^/lib/upgrade/|^/lib/functions[/.]|^/usr/libexec/login")
_WRITES_FIRMWARE: Final = re.compile(
    r"(?m)^[^#\n]*(?:\bmtd[ \t]+(?:-\S+[ \t]+(?:[\w/.]+[ \t]+)?)*write[ \t]+(?!-[ \t])"
    r"|\bflashcp\b|\bnandwrite\b|\bubiupdatevol\b|\bmtd_write\b|\bmtd_debug\s+write\b"
    r"|\bof=/dev/mtd(?:block)?\w+|>\s*/dev/mtd(?:block)?\w+"
    r"|(?<![\w/.-])(?:/sbin/)?sysupgrade[ \t]+(?!-[blrk]\b)[\"\'$/\w-])"
)
_HOLDS_CONFIG: Final = re.compile(r"(?i)config|nvram|rootfs_data|jffs|art\b|u?-?boot-?env|settings|factory|log\b")
_OPKG_SOURCE: Final = re.compile(r"(?m)^\s*src(?:/gz)?\s+\S+\s+(?P<url>(?P<scheme>\w+)://\S+)")
_OPKG_CHECK: Final = re.compile(r"(?m)^\s*option\s+check_signature(?:\s+1)?\s*$")
_FORM_WORDS: Final = re.compile(r"(?i)firmware|upgrade|flash_?op|sysupgrade|fw_?up")
_FETCHED: Final = frozenset({"http", "https", "ftp", "tftp"})
_FETCHED_WORDS: Final = re.compile(r"(?i)firmware|upgrade|version|\bfw\b|[/._-]ota[/._-]|update|download")
_LINE_MOST: Final = 1000  # characters; nobody writes longer commands, and matching costs the square of a line
_TLS_NO: Final = ("curl-insecure", "wget-insecure")
_TAKES_REQUEST: Final = re.compile(r"/cgi-bin/|\.cgi\b|CONTENT_LENGTH|haserl")
_CALLERS_DEEP: Final = 3
_CALLERS_MOST: Final = 20
_TRANSPORT_OF_FETCHER: Final = (("tftp", "tftp"), ("ftpget", "ftp"))


def updates(files: Files, services: Sequence[Service]) -> tuple[UpdatePath, ...]:
    """All ways found, scripts first."""
    found = [*_scripts(files), *_programs(files), *_packages(files), *_forms(files), *_remote_management(services)]
    return tuple(found)


def _each(files: Files) -> Iterator[tuple[str, FileFacts]]:
    seen: set[str] = set()
    for path, node in sorted(files.nodes.items()):
        facts = files.facts.get(node.digest) if node.digest is not None else None
        if facts is not None and facts.digest not in seen and not _NOT_UPDATE.search(path):
            seen.add(facts.digest)
            yield path, facts


def _markers(facts: FileFacts) -> dict[str, tuple[int, ...]]:
    return facts.content.markers if facts.content is not None else {}


def _scripts(files: Files) -> Iterator[UpdatePath]:
    """Scripts that write a firmware partition. OpenWrt's /lib/upgrade is counted with /sbin/sysupgrade."""
    for path, facts in _each(files):
        if facts.text is None or facts.kind is not FileKind.SCRIPT or _INFRASTRUCTURE.search(path):
            continue
        text = facts.text.text
        body = "\n".join("" if line.lstrip().startswith("#") else line[:_LINE_MOST] for line in text.split("\n"))
        write = next((m for m in _WRITES_FIRMWARE.finditer(body) if not _is_of_configuration(m, body)), None)
        is_sysupgrade = path.endswith("/sysupgrade")
        if write is None and not is_sysupgrade:
            continue
        stages = files.glob("/lib/upgrade/*.sh") if is_sysupgrade else ()
        line = _telling_line(body) if is_sysupgrade or write is None else body[write.start() :].split("\n", 1)[0]
        whole = is_sysupgrade or bool(_TAKES_REQUEST.search(path + body))  # whoever calls it is not part of the way
        chain = [body, *(() if whole else _callers(path, files)), *(files.text(stage) or "" for stage in stages)]
        yield UpdatePath(
            mechanism=f"script {path}",
            transport=_transport([body] if is_sysupgrade else chain),  # it can fetch, but only what its user names
            signature_checked=_signature_in(chain, whole=whole),
            certificate_checked=_certificates(_markers(facts), chain),
            detail=line.strip()[:160],
            evidence=(files.evidence(path, line, max(0, text.find(line)) if text.isascii() else None),),
        )


def _telling_line(body: str) -> str:
    """The line of OpenWrt's sysupgrade that says what it is."""
    lines = [line for line in body.split("\n") if "upgrade" in line]
    return next((line for line in lines if "do_upgrade" in line), lines[0] if lines else "")


def _callers(path: str, files: Files) -> list[str]:
    """Texts of the scripts that name this one, and of those that name them: what happens before flash is written."""
    names, texts, seen = {path.rpartition("/")[2]}, [], {path}
    for _ in range(_CALLERS_DEEP):
        found = set()
        for where, facts in _each(files):
            text = facts.text.text if facts.text is not None and facts.kind is FileKind.SCRIPT else ""
            if where not in seen and any(_calls(text, name) for name in names):
                seen.add(where)
                texts.append("\n".join("" if line.lstrip().startswith("#") else line for line in text.split("\n")))
                found.add(where.rpartition("/")[2])
        if not found or len(seen) > _CALLERS_MOST:
            break
        names = found
    return texts


def _calls(text: str, name: str) -> bool:
    """By its path, or by a name that is no common word."""
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        stands_alone = not re.match(r"[\w.-]", text[end : end + 1]) and not re.match(r"[\w-]", text[at - 1 : at])
        if stands_alone and (text[at - 1 : at] == "/" or "." in name or "_" in name or "-" in name):
            return True
        at = text.find(name, end)
    return False


def _is_of_configuration(write: re.Match[str], body: str) -> bool:
    """The line names a partition for settings, not for firmware."""
    line = write.group() + body[write.end() :].split("\n", 1)[0]
    return "sysupgrade" not in line and bool(_HOLDS_CONFIG.search(line))


def _transport(chain: Sequence[str]) -> str:
    """Of the first script in the chain that fetches; else where the file lies."""
    for body in chain:
        if not _FETCH.search(body):
            continue
        scheme = _URL.search(body)
        if scheme is not None:
            return scheme.group(1)
        tool = next(
            (transport for program, transport in _TRANSPORT_OF_FETCHER if re.search(rf"\b{program}\b", body)), ""
        )
        return tool or "unknown"
    return "removable-media" if _REMOVABLE.search(chain[0]) else "local-file"


_SIGNATURE: Final = re.compile(
    r"usign\s+-V|openssl\s+dgst[^\n]*-verify|openssl\s+(?:rsautl|pkeyutl)[^\n]*-verify"
    r"|gpgv?\b[^\n]*--verify|minisign\s+-V|fwtool_check_signature"
    r"|ucert\s+-V|ecdsaverify|ecdsautil\s+verify|signify\s+-V"
)
_FOREIGN_HELP: Final = re.compile(
    r"(?i)\b\w*(?:verify|check_?sign|checksig|authenticat|decrypt)\w*\b"
    r"|\brsa\w*\b|\w+_rsa\w*|\bopenssl\b|\bgpg\b|\b\w+_dec\b"
)


def _signature_in(chain: Sequence[str], *, whole: bool) -> bool | None:
    """True where a known verifier is called. False only where all that happens is in sight: scripts that fetch and
    write without anything that could verify, or (`whole`) a tool known to be the end of its chain. Else None."""
    if any(_SIGNATURE.search(text) for text in chain):
        return True
    if any(_FOREIGN_HELP.search(text) for text in chain):
        return None
    return False if whole or any(_FETCH.search(text) for text in chain) else None


def _certificates(markers: dict[str, tuple[int, ...]], chain: Sequence[str]) -> bool | None:
    if any(name in markers for name in _TLS_NO):
        return False
    return True if any("https://" in text and _FETCH.search(text) for text in chain) else None


def _programs(files: Files) -> Iterator[UpdatePath]:
    """Programs that run a flash command or open a flash device and speak of updates."""
    for path, facts in _each(files):
        if facts.kind is not FileKind.ELF or facts.elf is None or facts.content is None:
            continue
        if "/busybox" in path or path.rpartition("/")[2] in ("mtd", "flashcp", "nandwrite", "mtd_debug"):
            continue  # tools that others use
        markers = facts.content.markers
        what, schemes, writes = _what_updates(facts.content, is_library=bool(facts.elf.soname or ".so" in path))
        if "update-words" not in markers or not what:
            continue
        verified = [name for name in facts.elf.imports if _VERIFIERS.match(name)]
        may_verify = bool(verified) or _needs_crypto(facts, files) or "signature-verify" in markers
        place = markers["update-words"][0]
        yield UpdatePath(
            mechanism=f"program {path}",
            transport=schemes[0] if len(schemes) == 1 else "unknown",
            signature_checked=None if may_verify or not writes else False,
            certificate_checked=False if any(name in markers for name in _TLS_NO) else None,
            detail=what[:160],
            evidence=(files.evidence(path, what, place),),
        )


def _what_updates(content: ContentFacts, *, is_library: bool) -> tuple[str, list[str], bool]:
    """(what shows that a program takes part in updates, schemes of what it fetches, whether it writes flash)."""
    fetched = [m for m in content.hosts if m.scheme in _FETCHED and _FETCHED_WORDS.search(m.excerpt)]
    commands = [text for text, _ in content.commands if _WRITES_FIRMWARE.search(text)]
    devices = [] if is_library else [named for named in content.paths if named.startswith("/dev/mtd")]
    marks = [name for name in _WRITES if name in content.markers]
    shown = [*commands, *(m.excerpt for m in fetched), *devices, *marks]
    return (shown[0] if shown else ""), sorted({m.scheme for m in fetched}), bool(commands or devices or marks)


def _needs_crypto(facts: FileFacts, files: Files) -> bool:
    """A library of the device's own that verifies signatures, or that is not there to be asked."""
    assert facts.elf is not None
    for name in facts.elf.needed:
        path = next(
            (p for folder in ("/lib", "/usr/lib", "/usr/local/lib") if files.exists(p := f"{folder}/{name}")), None
        )
        library = files.facts_of(path) if path else None
        if library is None or library.elf is None:
            return True
        if any(_VERIFIERS.match(symbol) for symbol in (*library.elf.imports, *library.elf.exports)):
            return True
    return facts.elf.is_static


def _packages(files: Files) -> Iterator[UpdatePath]:
    """opkg feeds: packages replace programs of a running system."""
    places = [p for p in ("/etc/opkg.conf", *files.glob("/etc/opkg/*.conf")) if files.text(p)]
    feeds = [(path, match) for path in places for match in _OPKG_SOURCE.finditer(files.text(path) or "")]
    if not feeds:
        return
    checked = any(_OPKG_CHECK.search(files.text(path) or "") for path in places)
    _, match = feeds[0]
    yield UpdatePath(
        mechanism="opkg packages",
        transport=match.group("scheme"),
        signature_checked=checked,
        detail=match.group("url")[:160],
        evidence=tuple(files.evidence(where, one.group(), one.start()) for where, one in feeds[:3]),
    )


def _forms(files: Files) -> Iterator[UpdatePath]:
    """Web pages that take a file and speak of firmware."""
    evidence: list[Evidence] = []
    for path, facts in _each(files):
        if facts.text is None or "file-upload-form" not in _markers(facts) or facts.kind is FileKind.ELF:
            continue
        word = _FORM_WORDS.search(facts.text.text)
        if word is not None and len(evidence) < 5:
            evidence.append(
                files.evidence(path, facts.text.text[max(0, word.start() - 40) : word.end() + 60], word.start())
            )
    if evidence:
        yield UpdatePath(mechanism="web form", transport="web-form", detail=evidence[0].path, evidence=tuple(evidence))


def _remote_management(services: Sequence[Service]) -> Iterator[UpdatePath]:
    for service in services:
        if service.kind == "tr069":
            yield UpdatePath(mechanism=f"TR-069 client {service.program}", evidence=service.evidence)
