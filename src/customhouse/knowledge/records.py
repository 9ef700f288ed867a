"""What the store holds: an advisory together with every statement about affected versions that its sources make.

Sources of one flaw contradict each other, so statements are kept apart, each with where it came from, and are only
weighed against each other when a version is asked about (`match`).
"""

import msgspec

from customhouse.model import Advisory, Model, VersionRange

from .versions import is_version, sides, within


class Statement(Model, frozen=True, kw_only=True):
    """Versions of one product that one origin calls affected. No range and not `everything`: it gives none."""

    key: str
    """Component name, or `vendor:product` of a CPE where no component of ours is meant."""
    origin: str = ""
    """nvd-cpe, cna, cisa-adp, anchore-override-cpe, osv, vendor, text."""
    ranges: tuple[VersionRange, ...] = ()
    holes: tuple[VersionRange, ...] = ()
    """Versions stated to be unaffected inside the ranges."""
    everything: bool = False
    silent: bool = False
    """Only says under which name the record is found: its versions are those of a distribution's packages."""
    incomplete: bool = False
    """Part of the list is missing: a version between its ranges is in doubt."""

    @property
    def usable(self) -> bool:
        """Does it say anything about a version?"""
        return self.everything or bool(self.ranges)


class PackageFix(Model, frozen=True, kw_only=True):
    """A distribution package that holds the fix, backports included. `ecosystem`: deb, rpm, apk."""

    ecosystem: str
    package: str
    version: str


class Record(Model, frozen=True, kw_only=True):
    advisory: Advisory
    statements: tuple[Statement, ...] = ()
    packages: tuple[PackageFix, ...] = ()
    withdrawn: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """What it can be found under."""
        return tuple(dict.fromkeys(statement.key for statement in self.statements))

    @property
    def ids(self) -> tuple[str, ...]:
        return (self.advisory.id, *self.advisory.aliases)


def affects(statement: Statement, version: str) -> bool | None:
    """Does the statement call `version` (as found in firmware) affected? None: it cannot be told."""
    if not statement.usable:
        return None
    if not is_version(version):
        return True if statement.everything and not statement.holes else None
    answers = {_one(statement, point) for point in sides(version)}
    return answers.pop() if len(answers) == 1 else None


def _one(statement: Statement, point: str) -> bool | None:
    if any(within(point, hole) for hole in statement.holes):
        return False
    if statement.everything or any(within(point, span) or _named(point, span) for span in statement.ranges):
        return True
    return None if statement.incomplete and _between(statement, point) else False


def _named(point: str, span: VersionRange) -> bool:
    """A snapshot on the way to a release that a list of single versions names."""
    return bool(span.last) and span.introduced == span.last and point.removesuffix("-dev") == span.last


def _between(statement: Statement, point: str) -> bool:
    """Inside the hull of the ranges, though in none of them."""
    starts = [VersionRange(introduced=span.introduced) for span in statement.ranges]
    ends = [VersionRange(fixed=span.fixed, last=span.last) for span in statement.ranges]
    return any(within(point, start) for start in starts) and any(within(point, end) for end in ends)


def compact(record: Record) -> bytes:
    """One line of JSON without what is default."""
    return msgspec.json.encode(_pruned(msgspec.to_builtins(record)))


def _pruned(value: object) -> object:
    if isinstance(value, dict):
        return {name: _pruned(item) for name, item in value.items() if item not in (None, "", [], {}, False, ())}
    if isinstance(value, list | tuple):
        return [_pruned(item) for item in value]
    return value


RECORD = msgspec.json.Decoder(Record)
