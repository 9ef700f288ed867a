"""The vocabulary of conditions: what a fact means, what a default configuration settles, which code is newer."""

from functools import lru_cache
from importlib import resources

import msgspec

USE, BUILD, ENVIRONMENT = "use", "build", "environment"


class Word(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: str
    text: str
    no: str


class DefaultOff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    component: str
    off: tuple[str, ...]
    before: str = ""


class Absent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    component: str
    before: str
    names: tuple[str, ...]


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`words.toml`."""

    roles: tuple[str, ...]
    facts: dict[str, Word]
    default: tuple[DefaultOff, ...] = ()
    absent: tuple[Absent, ...] = ()

    def kind(self, name: str) -> str:
        """`use`, `build` or `environment`; options in capitals are of the build, unknown words of the environment."""
        if name in self.facts:
            return self.facts[name].kind
        return BUILD if name.isupper() else ENVIRONMENT

    def text(self, name: str) -> str:
        """The fact as a clause."""
        if name in self.facts:
            return self.facts[name].text
        return f"{name} is enabled" if name.isupper() else f"this holds: {name.replace('-', ' ')}"

    def denial(self, name: str) -> str:
        """The clause for when the fact does not hold."""
        if name in self.facts:
            return self.facts[name].no
        return f"{name} is not enabled" if name.isupper() else f"this does not hold: {name.replace('-', ' ')}"

    def off_by_default(self, component: str, version: str, name: str) -> bool:
        return any(
            row.component == component and name in row.off and (not row.before or _before(version, row.before))
            for row in self.default
        )

    def absent_from(self, component: str, version: str, name: str) -> str:
        """The release that brought `name`, when `version` is older; else empty."""
        for row in self.absent:
            if row.component == component and name in row.names and _before(version, row.before):
                return row.before
        return ""


@lru_cache(maxsize=1)
def words() -> Words:
    """The vocabulary that ships with the package."""
    text = resources.files(__package__).joinpath("words.toml").read_text(encoding="utf-8")
    return msgspec.toml.decode(text, type=Words)


def _before(version: str, release: str) -> bool:
    """Dotted numbers only: the table bounds releases of libraries that are numbered so."""
    return _numbers(version) < _numbers(release)


def _numbers(version: str) -> tuple[int, ...]:
    digits = []
    for part in version.split("."):
        head = "".join(char for char in part[:6] if char.isdigit())
        digits.append(int(head or 0))
        if not part.isdigit():
            break
    return tuple(digits + [0] * (4 - len(digits)))
