"""Order of upstream versions, with the habits of the projects that devices are made of.

One order serves all upstream records: numbers count as numbers, a word such as `rc` or `pre` stands before the
release, a letter after it (`1.0.2k` before `1.0.2za`), and trailing zeros say nothing (`1.00` is `1.0.0`). Packaging
revisions (`2.16.3-r1`), build flavours (`-fips`, `-dirty`) and build metadata (`+git`) do not move a version.
Distributions have orders of their own (epochs, tildes); those are univers'.
"""

import re
from functools import lru_cache

import msgspec

from customhouse.model import VersionRange

_BEFORE = {
    "dev": 0, "devel": 0, "git": 0, "snapshot": 0, "svn": 0, "cvs": 0,
    "alpha": 1, "beta": 2, "test": 2, "pre": 3, "preview": 3, "rc": 4, "cr": 4,
}  # fmt: skip
_SNAPSHOT = re.compile(r"[-._~]?(devel|dev|git|svn|cvs|snapshot)\b.*|[-._](\d{8,}[-._])?g?[0-9a-f]{7,40}$", re.I)
_MODIFIED = re.compile(r"[-._](dirty|mod|modified|custom)\b.*", re.I)
_FLAVOUR = re.compile(
    r"[-._](fips|openwrt|lede|debian|static|mips|arm|linux|gpl|upstream|stable|final|release|ga)$", re.I
)
_REVISION = re.compile(r"-(r?\d{1,5}(\.\d+)*|\d+(ubuntu|deb|build|\.el|\.fc)\S*)$")
_DATED = re.compile(r"-\d{8}$")
_TOKEN = re.compile(r"\d+|[a-z]+|\*", re.I)

Key = tuple[tuple[int, int, str], ...]
_END = (1, 0, "")


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """A version as seen, taken apart. `base` is what upstream's records speak of."""

    base: str
    revision: str = ""
    """Packaging revision: `r1`, `3`, `3ubuntu1`."""
    snapshot: bool = False
    """Cut from a development branch: somewhere around `base`, not exactly at it."""
    modified: bool = False
    """Built from a changed tree (`-dirty`)."""


@lru_cache(maxsize=65536)
def upstream(version: str) -> Upstream:
    """Take a version as found in firmware apart. Never fails: what cannot be understood stays in `base`."""
    text = version.strip().lstrip("vV=").split("+", 1)[0]
    text = text.split(":", 1)[1] if re.match(r"\d+:", text) else text
    revision = ""
    modified = bool(_MODIFIED.search(text))
    text = _MODIFIED.sub("", text)
    snapshot = bool(_SNAPSHOT.search(text)) and not _DATED.search(text)
    text = _SNAPSHOT.sub("", text) if snapshot else _DATED.sub("", text)
    if found := _REVISION.search(text):
        revision, text = found[1], text[: found.start()]
    text = _FLAVOUR.sub("", text)
    return Upstream(base=text or version, revision=revision, snapshot=snapshot, modified=modified)


@lru_cache(maxsize=65536)
def sort_key(version: str) -> Key:
    """A key by which upstream versions sort. Any text has one."""
    text = version.replace("\\", "").strip().lstrip("vV=").lower()
    tokens = _TOKEN.findall(text)
    lead = 0
    while lead < len(tokens) and tokens[lead].isdigit():
        lead += 1
    numbers = [int(token) for token in tokens[:lead]]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    key: list[tuple[int, int, str]] = [(3, number, "") for number in numbers]
    key += [_ranked(token) for token in tokens[lead:]]
    key.append(_END)
    return tuple(key)


def _ranked(word: str) -> tuple[int, int, str]:
    if word == "*":
        return (9, 0, "")
    if word.isdigit():
        return (3, int(word), "")
    if word in _BEFORE:
        return (0, _BEFORE[word], "")
    return (2, 0, word)


def is_version(text: str) -> bool:
    """Could this be placed in the order? Git hashes, sentences and empty texts cannot."""
    return bool(re.match(r"^[vV=]?\d", text)) and not re.fullmatch(r"[0-9a-f]{10,40}", text) and len(text) < 80


def within(version: str, span: VersionRange) -> bool:
    """Does `span` hold `version`, both in upstream's order?"""
    key = sort_key(version)
    if span.introduced not in ("", "0", "*", "-") and key < sort_key(span.introduced):
        return False
    if span.fixed and key >= sort_key(span.fixed):
        return False
    return not span.last or span.last in ("*", "-") or key <= sort_key(span.last)


def sides(version: str) -> tuple[str, ...]:
    """The points of the order where a version as found may truly lie.

    A release is one point. A snapshot called `2.1-devel` was cut on the way to 2.1, in projects that count up before
    the release, or after it, in projects that count up with it: both are given, and where they disagree nobody knows.
    """
    seen = upstream(version)
    return (seen.base + "-dev", seen.base) if seen.snapshot else (seen.base,)


def distribution_order(ecosystem: str, left: str, right: str) -> int | None:
    """-1, 0 or 1 by the order of a distribution (`deb`, `rpm`, `apk`); None where it cannot be told."""
    # Here, not above: univers takes 80 ms to load, and only distributions' own advisories need it.
    from univers.versions import AlpineLinuxVersion, DebianVersion, InvalidVersion, RpmVersion

    kind = {"deb": DebianVersion, "rpm": RpmVersion, "apk": AlpineLinuxVersion}.get(ecosystem)
    if kind is None:
        return None
    try:
        one, other = kind(left), kind(right)
        return 0 if one == other else -1 if one < other else 1
    except (InvalidVersion, ValueError, TypeError, AttributeError):
        return None
