"""Component rules: data that says how a piece of third-party software gives itself away.

One TOML file a component under `components/`. A rule tells apart three things that a plain string search confuses:

- a `sign` proves that a file *is* the component (its SONAME, symbols that it defines, strings only it holds);
- a `form` is a sentence in which the component states its own version; with `needs_sign` it counts only in a file
  that a sign proved, and is a mere mention elsewhere (clients of OpenSSL carry OpenSSL's version text);
- a `bare` version is a string that is nothing but a version, believed only in a proven file that holds exactly one.

In expressions `<V>` stands for `(?P<version>...)` over dotted numbers. A version may also be put together from groups
`major`, `minor`, `patch`. Expressions are written for bytes in the subset that both Hyperscan and `re` know.
"""

import functools
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

from customhouse.model import FileKind, How, Model

VERSION = r"(?P<version>[0-9]{1,5}(?:\.[0-9]{1,5}){1,3})"
PURL_TYPES = frozenset(
    (
        "apk",
        "bitbucket",
        "cargo",
        "deb",
        "generic",
        "github",
        "gitlab",
        "golang",
        "maven",
        "npm",
        "nuget",
        "pypi",
        "rpm",
    )
)
PROGRAMS = (FileKind.ELF, FileKind.KERNEL, FileKind.KERNEL_MODULE, FileKind.MCU, FileKind.DATA)
"""Kinds that are searched unless a form says otherwise. Text is not: documentation names everything."""


class Sign(Model, frozen=True, kw_only=True):
    """What proves that a file is the component: all of what is given must hold, and nothing of `absent`."""

    soname: str = ""
    """Expression that the whole SONAME must match."""
    exports: tuple[str, ...] = ()
    """Symbols that the file must define (not import)."""
    strings: tuple[str, ...] = ()
    """Literals that the file must hold."""
    absent: tuple[str, ...] = ()
    """Literals that it must not hold: the forks that look the same."""
    alone: bool = True
    """False: proves a version's owner, but is too weak to name the component when no version is read."""


class Form(Model, frozen=True, kw_only=True):
    """A sentence that states the version."""

    regex: str
    how: How = How.DEFINES
    needs_sign: bool = False
    otherwise: str = "mentions"
    """`how` in a file without a sign; empty: say nothing."""
    kinds: tuple[FileKind, ...] = PROGRAMS
    starts: bool = False
    """True where the text is the start of its string; in the middle of a sentence it is a mention."""
    loose: bool = False
    """True where a letter or digit may stand right before the match (text that follows binary data)."""


class PathForm(Model, frozen=True, kw_only=True):
    """A file name that states the version; `alone` where the name is proof enough without a sign in the file."""

    regex: str
    alone: bool = False
    how: How = How.DEFINES


class Sample(Model, frozen=True, kw_only=True):
    """A content in small, and what must be read from it. `version` empty: presence only."""

    text: str = ""
    soname: str = ""
    exports: tuple[str, ...] = ()
    path: str = ""
    version: str = ""
    how: How = How.DEFINES
    kind: FileKind = FileKind.ELF


class Rule(Model, frozen=True, kw_only=True):
    """One component."""

    name: str
    title: str
    group: str
    purl: str
    """Without version."""
    cpes: tuple[str, ...] = ()
    """`vendor:product`, the present one first, former ones after."""
    packages: tuple[str, ...] = ()
    """Expressions over whole package names of opkg, dpkg, apk and rpm databases."""
    signs: tuple[Sign, ...] = ()
    forms: tuple[Form, ...] = ()
    bare: tuple[str, ...] = ()
    """Expressions over whole strings of a proven file."""
    highest: bool = False
    """Where several such strings stand in the file, the highest is its own: it knows older ones, but no newer."""
    objects: tuple[str, ...] = ()
    """Exported character arrays that hold the version."""
    paths: tuple[PathForm, ...] = ()
    part: str = "a"
    """CPE part: a (application), o (operating system)."""
    samples: tuple[Sample, ...]
    rejects: tuple[Sample, ...]


class RuleError(ValueError):
    """A rule that the linter refuses: a defect of ours, never of the input."""


def expression(text: str) -> str:
    """The Python expression behind a rule's notation."""
    return text.replace("<V>", VERSION)


def for_hyperscan(text: str) -> bytes:
    """The same without group names, which Hyperscan does not know."""
    return re.sub(r"\(\?P<[a-z]+>", "(?:", expression(text)).encode()


def lone(text: str) -> str:
    """The expression for a string that is nothing but what a `bare` expression describes, with the bytes around it."""
    return "[^ -~]" + _printable(text) + r"[\x00\n]"


def lone_exactly(text: str) -> str:
    """The same for `re`, without the bytes around it: one string's end is the next one's start."""
    return "(?<![ -~])" + _printable(text) + r"(?=[\x00\n])"


def _printable(text: str) -> str:
    return text.replace(".*", "[ -~]*")


def version_of(match: re.Match[bytes] | re.Match[str]) -> str:
    """Upstream's version from a match: group `version`, or `major`.`minor`.`patch` as numbers; empty without."""
    groups = {name: _text(value) for name, value in match.groupdict().items() if value is not None}
    if "version" in groups:
        return groups["version"].replace("_", ".").rstrip(".")
    parts = [groups[name] for name in ("major", "minor", "patch") if name in groups]
    return ".".join(str(int(part)) for part in parts)


def _text(value: bytes | str) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value


@functools.cache
def rules() -> tuple[Rule, ...]:
    """All rules, by name. Raises `RuleError` for one that cannot be read."""
    found = [parse(entry.name, entry.read_bytes()) for entry in _entries()]
    names = [rule.name for rule in found]
    if len(set(names)) != len(names):
        raise RuleError(f"two component rules have one name: {sorted({n for n in names if names.count(n) > 1})}")
    return tuple(sorted(found, key=lambda rule: rule.name))


@functools.cache
def rules_version() -> str:
    """Digest over the rules' bytes: changes whenever one of them does."""
    digest = hashlib.sha256()
    for entry in _entries():
        digest.update(entry.name.encode() + b"\0" + entry.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _entries() -> list[Traversable]:
    folder = resources.files(__package__) / "components"
    return sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)


def parse(name: str, content: bytes) -> Rule:
    """A rule from one TOML file. Raises `RuleError` naming the file."""
    try:
        rule = msgspec.convert(tomllib.loads(content.decode()), Rule, strict=True)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RuleError(f"{name}: {error}") from error
    if name != f"{rule.name}.toml":
        raise RuleError(f"{name}: a rule's file is called as its component, {rule.name}.toml")
    return rule


def lint(rule: Rule) -> tuple[str, ...]:
    """What is wrong with a rule, one sentence each; empty when it may be used."""
    return tuple(f"{rule.name}: {fault}" for fault in _faults(rule))


def _faults(rule: Rule) -> Iterable[str]:
    if not re.fullmatch(r"[a-z0-9][a-z0-9+._-]*", rule.name):
        yield "its name is not lower-case"
    if not re.fullmatch(r"pkg:[a-z]+/[^@?#\s]+", rule.purl):
        yield f"{rule.purl!r} is not a package URL without version"
    elif rule.purl[4:].partition("/")[0] not in PURL_TYPES:
        yield f"{rule.purl!r} has an unknown type"
    yield from (f"{cpe!r} is not vendor:product" for cpe in rule.cpes if not re.fullmatch(r"[^:\s]+:[^:\s]+", cpe))
    if not rule.samples:
        yield "no sample that must match"
    if not rule.rejects:
        yield "no sample that must not match"
    if not (rule.signs or rule.forms or rule.paths):
        yield "nothing that could match"
    if (rule.bare or rule.objects) and not rule.signs:
        yield "a bare version needs a sign that proves whose it is"
    yield from _faulty_expressions(rule)
    yield from _faulty_signs(rule)


def _faulty_expressions(rule: Rule) -> Iterable[str]:
    every = [form.regex for form in rule.forms] + [path.regex for path in rule.paths] + list(rule.bare)
    every += list(rule.packages) + [sign.soname for sign in rule.signs if sign.soname]
    for text in every:
        try:
            re.compile(expression(text))
        except re.error as error:
            yield f"{text!r} is no expression: {error}"
    for form in rule.forms:
        if form.needs_sign and not rule.signs:
            yield f"{form.regex!r} needs a sign, and there is none"
        if longest_literal(form.regex) < (3 if form.needs_sign else 4):
            yield f"{form.regex!r} reads a version without an anchor"
    for path in rule.paths:
        if longest_literal(path.regex) < 3:
            yield f"{path.regex!r} reads a version from a path without an anchor"


def _faulty_signs(rule: Rule) -> Iterable[str]:
    for sign in rule.signs:
        if not (sign.soname or sign.exports or sign.strings):
            yield "a sign that nothing has to hold for"
        if not sign.soname and not sign.strings and len(sign.exports) < 2 and all(len(e) < 12 for e in sign.exports):
            yield f"one short symbol {sign.exports} proves nothing"
        if not sign.soname and not sign.exports and max(map(len, sign.strings), default=0) < 8:
            yield f"strings {sign.strings} are too short to prove anything"


def longest_literal(regex: str) -> int:
    """Length of the longest run of characters in an expression that must stand there as they are."""
    bare = regex.replace("<V>", "\0")
    while (shorter := re.sub(r"\((?:\?:|\?P<[a-z]+>)?((?:[^()\\]|\\.)*)\)([?*+]?)", _shortest, bare)) != bare:
        bare = shorter
    bare = re.sub(r"\[(?:[^\]\\]|\\.)*\](?:[*+?]|\{[0-9,]*\})?", "\0", bare)
    bare = re.sub(r".[?*]", "\0", bare)
    bare = re.sub(r"\\([^A-Za-z0-9])", r"\1", re.sub(r"\\[dwsDWS]\+?|\\x00|[.]\+|\|", "\0", bare))
    return max((len(run) for run in bare.split("\0")), default=0)


def _shortest(group: re.Match[str]) -> str:
    """What surely stands where a group stands: its shortest alternative, nothing where the group may be left out."""
    alternatives = group[1].split("|")
    plain = all(re.fullmatch(r"[\w /:;,@#=<>-]*(?:\\[.() -][\w /:;,@#=<>-]*)*", one) for one in alternatives)
    return min(alternatives, key=len) if plain and not group[2] and "?P<" not in group[0] else "\0"


def by_name() -> Mapping[str, Rule]:
    """All rules by component name."""
    return {rule.name: rule for rule in rules()}
