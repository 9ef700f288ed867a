"""What a source said that its profile does not carry, and typed members taken out of hostile JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from customhouse.model.profile import Unsupported

T = TypeVar("T")

NAMES: Mapping[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}
MOST_NOTES = 500
"""A hostile file must not make a report without end; what is past this is counted in one last line."""
LONGEST = 120
"""Characters of a device's own words that are shown back."""


def shown(value: object, longest: int = LONGEST) -> str:
    """A value of the file, fit for a terminal: control characters escaped, cut to a readable length."""
    text = value if isinstance(value, str) else repr(value)
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text[:longest])
    return safe + ("..." if len(text) > longest else "")


@dataclass
class Notes:
    """What could not be carried, in the order of the file, each named by its path."""

    entries: list[Unsupported] = field(default_factory=list)
    dropped: int = 0

    def add(self, what: str, why: str) -> None:
        if len(self.entries) >= MOST_NOTES:
            self.dropped += 1
            return
        self.entries.append(Unsupported(what=shown(what, 400), why=why))

    def all(self) -> tuple[Unsupported, ...]:
        if not self.dropped:
            return tuple(self.entries)
        return (*self.entries, Unsupported(what="(more)", why=f"{self.dropped} further parts are not listed"))

    def typed(self, holder: Mapping[str, object], name: str, kind: type[T], where: str) -> T | None:
        """The member `name` when it is there and of `kind`; None otherwise, with a note when the type is wrong."""
        value = holder.get(name)
        if value is None:
            if name in holder:
                self.add(f"{where}/{name}", f"wrong value type: null where {NAMES.get(kind, kind.__name__)} is due")
            return None
        if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return value
        due = NAMES.get(kind, kind.__name__)
        self.add(f"{where}/{name}", f"wrong value type: {shown(value)} where {due} is due")
        return None

    def unknown(self, holder: Mapping[str, object], known: frozenset[str] | set[str], where: str) -> bool:
        """Name every member that no standard defines here. True when there was one."""
        strange = [name for name in holder if name not in known]
        for name in strange:
            self.add(f"{where}/{name}", "unknown member: RFC 8520 and RFC 8519 define nothing of this name here")
        return bool(strange)
