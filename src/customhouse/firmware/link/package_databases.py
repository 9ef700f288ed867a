"""What the device's own package databases declare: opkg, ipkg, dpkg, apk and rpm.

A declaration, not a proof: the files may have been replaced since. Formats: deb-control(5) stanzas (opkg, ipkg, dpkg),
`lib/apk/db/installed` (apk-tools), and rpm's header blobs (rpm file format 4) in `rpmdb.sqlite`.
"""

import re
import sqlite3
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from customhouse.model import Digest, Evidence, Model

from .files import Files

_STANZAS = (
    ("/usr/lib/opkg/status", "opkg"),
    ("/var/lib/opkg/status", "opkg"),
    ("/var/opkg/status", "opkg"),
    ("/usr/lib/opkg/info/*.control", "opkg"),
    ("/var/lib/opkg/info/*.control", "opkg"),
    ("/usr/lib/ipkg/status", "ipkg"),
    ("/usr/lib/ipkg/info/*.control", "ipkg"),
    ("/var/lib/dpkg/status", "deb"),
    ("/var/lib/dpkg/status.d/*", "deb"),
)
_APK = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
_RPM = ("/var/lib/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite")
_MAX_PACKAGES = 20_000
_MAX_DATABASE = 64 << 20
_NAME, _VERSION, _RELEASE = 1000, 1001, 1002  # rpm tags
_STRING = 6


class Package(Model, frozen=True, kw_only=True):
    """One entry of a database. `version` as written there, `system` one of opkg, ipkg, deb, apk, rpm."""

    name: str
    version: str
    system: str
    evidence: Evidence

    @property
    def upstream(self) -> str:
        """Upstream's part of the version: no epoch, no packaging revision, no repackaging mark."""
        bare = re.sub(r"^\d+:", "", self.version)
        if self.system == "apk":
            bare = re.sub(r"-r\d+$", "", bare)
        elif self.system in ("opkg", "ipkg"):
            # OpenWrt appends a revision, to the kernel a hash of its options, to out-of-tree modules their date.
            bare = re.sub(r"\+\S*$", "", re.sub(r"-\d+(?:\.\d+)?(?:-[0-9a-f]{32})?$", "", bare))
        else:
            bare = bare.rpartition("-")[0] or bare
        return re.sub(r"[+~.-](?:dfsg|ds|repack|deb|really|git|nmu|linaro)[\w.+~-]*$", "", bare)

    @property
    def revision(self) -> str:
        """What the packager added, empty where nothing was."""
        return self.version if self.upstream != self.version else ""


def packages(files: Files, contents: Mapping[Digest, Path] | None = None) -> tuple[Package, ...]:
    """Every package that some database says is installed, once. `contents` are needed for rpm only."""
    found: dict[tuple[str, str, str], Package] = {}
    given = contents or {}
    for package in (*_stanza_packages(files, given), *_apk_packages(files, given), *_rpm_packages(files, given)):
        if len(found) < _MAX_PACKAGES:
            found.setdefault((package.name, package.version, package.system), package)
    return tuple(found[key] for key in sorted(found))


def _stanza_packages(files: Files, contents: Mapping[Digest, Path]) -> Iterator[Package]:
    for pattern, system in _STANZAS:
        for path in files.glob(pattern):
            listed = not path.endswith(".control")
            for fields in stanzas(_text(files, path, contents)):
                # A control file's own Status is the archive's, always "not-installed"; only a status list knows.
                gone = listed and re.search(r"not-installed|deinstall|config-files", fields.get("status", ""))
                if "package" in fields and "version" in fields and not gone:
                    line = f"Package: {fields['package']}, Version: {fields['version']}"
                    yield Package(
                        name=fields["package"],
                        version=fields["version"],
                        system=system,
                        evidence=files.evidence(path, line),
                    )


def _text(files: Files, path: str, contents: Mapping[Digest, Path]) -> str:
    """The text of a database; one that is larger than the texts that facts keep is read from its content."""
    text = files.text(path)
    node = files.node(path)
    if text is not None or node is None or node.digest is None or node.digest not in contents:
        return text or ""
    with Path(contents[node.digest]).open("rb") as content:
        return content.read(_MAX_DATABASE).decode("utf-8", "replace")


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """Paragraphs of `Field: value` lines, field names in lower case; continuation lines are left out."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        for line in paragraph.splitlines():
            name, colon, value = line.partition(":")
            if colon and name and not name[0].isspace():
                fields.setdefault(name.lower(), value.strip())
        if fields:
            yield fields


def _apk_packages(files: Files, contents: Mapping[Digest, Path]) -> Iterator[Package]:
    for path in _APK:
        for paragraph in _text(files, path, contents).split("\n\n"):
            fields = {line[0]: line[2:].strip() for line in paragraph.splitlines() if line[1:2] == ":"}
            if "P" in fields and "V" in fields:
                line = f"P:{fields['P']} V:{fields['V']}"
                yield Package(name=fields["P"], version=fields["V"], system="apk", evidence=files.evidence(path, line))


def _rpm_packages(files: Files, contents: Mapping[Digest, Path]) -> Iterator[Package]:
    for path in _RPM:
        node = files.node(path)
        if node is None or node.digest is None or node.digest not in contents:
            continue
        for name, version in _rpm_rows(Path(contents[node.digest])):
            yield Package(name=name, version=version, system="rpm", evidence=files.evidence(path, f"{name}-{version}"))


def _rpm_rows(database: Path) -> list[tuple[str, str]]:
    try:
        # immutable: the file is evidence, and no journal may appear beside it.
        with sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True) as connection:
            rows = connection.execute("SELECT blob FROM Packages LIMIT ?", (_MAX_PACKAGES,))
            return [found for (blob,) in rows if isinstance(blob, bytes) and (found := rpm_header(blob))]
    except sqlite3.Error:
        return []


def rpm_header(blob: bytes) -> tuple[str, str] | None:
    """(name, version-release) of a header blob: two big-endian counts, 16-byte index entries, then the data."""
    try:
        entries, size = struct.unpack_from(">II", blob)
        start = 8 + 16 * entries
        if entries > 4096 or start + size > len(blob):
            return None
        texts: dict[int, str] = {}
        for number in range(entries):
            tag, kind, offset, _count = struct.unpack_from(">IIII", blob, 8 + 16 * number)
            if tag in (_NAME, _VERSION, _RELEASE) and kind == _STRING and offset < size:
                end = blob.find(b"\0", start + offset)
                texts[tag] = blob[start + offset : end if end >= 0 else len(blob)].decode("utf-8", "replace")
    except struct.error:
        return None
    if _NAME not in texts or _VERSION not in texts:
        return None
    release = texts.get(_RELEASE, "")
    return texts[_NAME], texts[_VERSION] + (f"-{release}" if release else "")
