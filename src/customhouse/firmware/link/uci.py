"""UCI, the settings of OpenWrt: `/etc/config/*` as shipped (https://openwrt.org/docs/guide-user/base-system/uci)."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from .files import Files
from .shell_state import Value

_UNKNOWN = Value("", known=False)
_MAX_LINES = 20_000


@dataclass
class Section:
    """`name` is empty for anonymous sections. Lists keep all their values, options one."""

    kind: str
    name: str
    options: dict[str, list[str]] = field(default_factory=dict)


@lru_cache(maxsize=64)
def sections(text: str) -> tuple[Section, ...]:
    """All sections of one file; lines that are not UCI are passed over. Asked for again and again, hence the cache."""
    made: list[Section] = []
    for line in text.splitlines()[:_MAX_LINES]:
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        if words[:1] == ["config"] and len(words) >= 2:
            made.append(Section(words[1], words[2] if len(words) > 2 else ""))
        elif made and words[:1] == ["option"] and len(words) >= 3:
            made[-1].options[words[1]] = [words[2]]
        elif made and words[:1] == ["list"] and len(words) >= 3:
            made[-1].options.setdefault(words[1], []).append(words[2])
    return tuple(made)


def package(files: Files, name: str) -> tuple[Section, ...] | None:
    """The sections of a package's settings; None when the image ships none (they may be made at first boot)."""
    text = files.text(f"/etc/config/{name}")
    return sections(text) if text is not None else None


def setting(files: Files, path: str) -> Value:
    """What `uci get package.section.option` prints; unknown when the image does not ship the package's settings."""
    parts = path.split(".")
    found = package(files, parts[0]) if parts else None
    if found is None or len(parts) not in (2, 3):
        return _UNKNOWN
    section = pick(found, parts[1])
    if section is None:
        return Value("", shipped=True)
    if len(parts) == 2:
        return Value(section.kind, shipped=True)
    return Value(" ".join(section.options.get(parts[2], [])), shipped=True)


def pick(found: Sequence[Section], reference: str) -> Section | None:
    """A section by its name, or by `@type[index]`, or by the number that stands in for a missing name (`cfg3`)."""
    if reference.startswith("@"):
        kind, _, rest = reference[1:].partition("[")
        of_kind = [section for section in found if section.kind == kind]
        try:
            return of_kind[int(rest.rstrip("]") or "0")]
        except (ValueError, IndexError):
            return None
    if reference.startswith("cfg#"):
        return found[int(reference[4:])]
    return next((section for section in found if section.name == reference), None)
