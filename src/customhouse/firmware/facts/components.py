"""Names what a file is: the component rules, run over one content.

All expressions and literals of all rules are a share of the one multi-pattern pass; what it finds is confirmed here
with word boundaries, and weighed by the rule's signs: see `component_rules`.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from customhouse.model import ComponentFacts, ComponentHint, FileKind, How

from .component_rules import (
    Form,
    Rule,
    Sign,
    expression,
    for_hyperscan,
    lone,
    lone_exactly,
    rules,
    rules_version,
    version_of,
)
from .component_symbols import Symbols, symbols_of
from .extractor import Content, Hit, Pattern

_BEFORE, _AFTER = 600, 160
_LONGEST_BARE = 64
_MAX_BYTES = 1 << 28
_STRENGTH = {How.DEFINES: 4, How.PACKAGE_DATABASE: 3, How.BANNER: 2, How.BUILD_STRING: 1, How.MENTIONS: 0}
_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
_TRANSLATIONS = (b"\xde\x12\x04\x95", b"\x95\x04\x12\xde")  # gettext catalogues repeat their program's messages
_TEXTS = (FileKind.SCRIPT, FileKind.TEXT)


@dataclass(frozen=True)
class _Matcher:
    """The rules, laid out for looking up a hit by its tag."""

    patterns: tuple[Pattern, ...]
    forms: Mapping[str, tuple[Rule, Form, re.Pattern[bytes]]]
    bare: Mapping[str, re.Pattern[bytes]]
    literals: Mapping[str, str]
    """Tag of a literal's pattern by the literal."""
    by_soname: tuple[tuple[str, Rule], ...]
    """Rules with a sign that asks for a SONAME, by the fixed start of it."""
    by_export: Mapping[str, tuple[Rule, ...]]
    """Rules with a sign that asks for symbols first, by the first of them."""
    by_literal: Mapping[str, tuple[Rule, ...]]
    """Rules with a sign of literals only, by the tag of the first."""


def matcher_of(chosen: Iterable[Rule]) -> _Matcher:
    """Patterns and look-up tables for some rules."""
    chosen = tuple(chosen)
    patterns: list[Pattern] = []
    forms: dict[str, tuple[Rule, Form, re.Pattern[bytes]]] = {}
    bare: dict[str, re.Pattern[bytes]] = {}
    literals: dict[str, str] = {}
    for rule in chosen:
        for number, form in enumerate(rule.forms):
            tag = f"{rule.name}/form/{number}"
            forms[tag] = rule, form, re.compile(expression(form.regex).encode(), re.DOTALL)
            patterns.append(Pattern(expression=for_hyperscan(form.regex), tag=tag))
        for number, text in enumerate(rule.bare):
            tag = f"{rule.name}/bare/{number}"
            bare[tag] = re.compile(expression(lone_exactly(text)).encode())
            patterns.append(Pattern(expression=for_hyperscan(lone(text)), tag=tag))
        for sign in rule.signs:
            for literal in (*sign.strings, *sign.absent):
                if literal not in literals:
                    tag = literals[literal] = f"literal/{len(literals)}"
                    patterns.append(Pattern(expression=escaped(literal), tag=tag))
    sonames: list[tuple[str, Rule]] = []
    exports: dict[str, list[Rule]] = {}
    first_literals: dict[str, list[Rule]] = {}
    for rule in chosen:
        for sign in rule.signs:
            if sign.soname:
                # Up to the first character that may be a metacharacter; alternatives at the top have no common start.
                start = "" if re.search(r"^[^(]*\|", sign.soname) else re.split(r"[^\w]", sign.soname)[0]
                sonames.append((start[:-1], rule))
            elif sign.exports:
                exports.setdefault(sign.exports[0], []).append(rule)
            else:
                first_literals.setdefault(literals[sign.strings[0]], []).append(rule)
    return _Matcher(tuple(patterns), forms, bare, literals, tuple(sonames), _frozen(exports), _frozen(first_literals))


def _frozen(index: Mapping[str, list[Rule]]) -> dict[str, tuple[Rule, ...]]:
    return {key: tuple(found) for key, found in index.items()}


def escaped(literal: str) -> bytes:
    """An expression for exactly these bytes, in the common subset of Hyperscan and `re`."""
    return b"".join(
        bytes([byte]) if chr(byte).isalnum() and byte < 128 else b"\\x%02x" % byte for byte in literal.encode()
    )


@functools.cache
def _matcher() -> _Matcher:
    return matcher_of(rules())


def identify(
    chosen: Sequence[Rule], matcher: _Matcher, data: bytes | memoryview, kind: FileKind, found: Sequence[Hit]
) -> tuple[ComponentHint, ...]:
    """What the rules say of one content, the surest first. `found` are hits of the matcher's patterns."""
    if bytes(data[:4]) in _TRANSLATIONS:
        return ()
    symbols = symbols_of(data) if kind in (FileKind.ELF, FileKind.KERNEL_MODULE) else Symbols()
    return weigh(chosen, matcher, data, kind, symbols, found)


def weigh(
    chosen: Sequence[Rule],
    matcher: _Matcher,
    data: bytes | memoryview,
    kind: FileKind,
    symbols: Symbols,
    found: Sequence[Hit],
) -> tuple[ComponentHint, ...]:
    """`identify` on symbols already read."""
    places: dict[str, list[Hit]] = {}
    for hit in found:
        places.setdefault(hit.tag, []).append(hit)
    proven = {} if kind in _TEXTS else _proven(symbols, places, matcher)
    hints: list[ComponentHint] = []
    for tag, hits in places.items():
        if tag in matcher.forms:
            rule, form, compiled = matcher.forms[tag]
            if kind in form.kinds:
                hints += _stated(rule, form, compiled, data, hits, rule.name in proven)
    told = {hint.rule for hint in hints if hint.how == How.DEFINES and hint.version}
    silent = [(rule, *proven[rule.name]) for rule in chosen if rule.name in proven and rule.name not in told]
    return _surest(hints + _own_versions(silent, data, symbols, places, matcher))


def _proven(symbols: Symbols, places: Mapping[str, list[Hit]], matcher: _Matcher) -> dict[str, tuple[Sign, str]]:
    """Rules of which some sign holds, with the sign and the part of it that a reader should be told of."""
    candidates = {rule.name: rule for start, rule in matcher.by_soname if start and symbols.soname.startswith(start)}
    if symbols.soname:
        candidates |= {rule.name: rule for start, rule in matcher.by_soname if not start}
    for name in matcher.by_export.keys() & symbols.defined.keys():
        candidates |= {rule.name: rule for rule in matcher.by_export[name]}
    for tag in matcher.by_literal.keys() & places.keys():
        candidates |= {rule.name: rule for rule in matcher.by_literal[tag]}
    found: dict[str, tuple[Sign, str]] = {}
    for rule in candidates.values():
        for sign in rule.signs:
            what = _holds(sign, symbols, places, matcher)
            if what:
                found[rule.name] = sign, what
                break
    return found


def _own_versions(
    silent: list[tuple[Rule, Sign, str]],
    data: bytes | memoryview,
    symbols: Symbols,
    places: Mapping[str, list[Hit]],
    matcher: _Matcher,
) -> list[ComponentHint]:
    """What proven files say of their version without a sentence around it."""
    hints = []
    for rule, sign, what in silent:
        version, offset = _declared(rule, sign, data, symbols)
        if not version:
            version, offset = _lone(rule, data, places, matcher)
        if version or sign.alone:
            where = max(offset, 0)
            hints.append(
                ComponentHint(
                    rule=rule.name, how=How.DEFINES, version=version, offset=where, excerpt=version, what=what
                )
            )
    return hints


def _holds(sign: Sign, symbols: Symbols, places: Mapping[str, list[Hit]], matcher: _Matcher) -> str:
    """Which part of a sign proves the file, empty when something of it is lacking."""
    if sign.soname and not (symbols.soname and re.fullmatch(sign.soname, symbols.soname)):
        return ""
    if not all(name in symbols.defined for name in sign.exports):
        return ""
    if not all(matcher.literals[literal] in places for literal in sign.strings):
        return ""
    if any(matcher.literals[literal] in places for literal in sign.absent):
        return ""
    return "soname" if sign.soname else "export" if sign.exports else "string"


def _stated(
    rule: Rule, form: Form, compiled: re.Pattern[bytes], data: bytes | memoryview, hits: list[Hit], proven: bool
) -> Iterator[ComponentHint]:
    how = form.how if proven or not form.needs_sign else form.otherwise
    if not how:
        return
    seen: set[int] = set()
    known: set[tuple[str, str]] = set()
    reach = -1
    for hit in hits:
        if hit.end <= reach:
            continue
        low = max(0, hit.end - _BEFORE)
        window = bytes(data[low : hit.end + _AFTER])
        for match in compiled.finditer(window):
            start, end = low + match.start(), low + match.end()
            if not start < hit.end <= end or start in seen:
                continue
            seen.add(start)
            reach = max(reach, end)
            if not _stands_alone(form, data, start, end, match):
                continue
            version = version_of(match)
            said = How.MENTIONS if form.starts and start and 32 <= data[start - 1] < 127 else how
            if (version, said) not in known:
                known.add((version, said))
                yield ComponentHint(
                    rule=rule.name,
                    how=said,
                    version=version,
                    offset=start,
                    excerpt=_excerpt(match.group()),
                    what="banner" if form.how is not How.BUILD_STRING else "build-string",
                )


def _stands_alone(form: Form, data: bytes | memoryview, start: int, end: int, match: re.Match[bytes]) -> bool:
    """Neither the text nor the version is a piece of a longer word: "profile-1.0" is not file 1.0."""
    if not form.loose and start and data[start] in _WORD and data[start - 1] in _WORD:
        return False
    ends_in_version = "version" in match.groupdict() and match.end("version") == match.end()
    return not (ends_in_version and end < len(data) and chr(data[end]).isalnum() and data[end] < 128)


def _declared(rule: Rule, sign: Sign, data: bytes | memoryview, symbols: Symbols) -> tuple[str, int]:
    """A proven file's version from its SONAME or an exported text, and the offset of the latter."""
    named = re.fullmatch(sign.soname, symbols.soname) if "(?P<" in sign.soname else None
    if named:
        return version_of(named), 0
    for name in rule.objects:
        place, size = symbols.defined.get(name, (-1, 0))
        if place >= 0 and 0 < size < 256:
            text = bytes(data[place : place + size]).split(b"\0")[0].decode("latin-1")
            match = re.search(expression("<V>"), text)
            if match:
                return version_of(match), place
    return "", -1


def _lone(rule: Rule, data: bytes | memoryview, places: Mapping[str, list[Hit]], matcher: _Matcher) -> tuple[str, int]:
    """The version in a string that is nothing else; empty unless the file holds one, or the rule wants the highest."""
    for number in range(len(rule.bare)):
        tag = f"{rule.name}/bare/{number}"
        found: dict[str, int] = {}
        for hit in places.get(tag, ()):
            low = max(0, hit.end - _LONGEST_BARE)
            for match in matcher.bare[tag].finditer(bytes(data[low : hit.end])):
                if match.end() == hit.end - low - 1:
                    found.setdefault(version_of(match), low + match.start())
        if found and (len(found) == 1 or rule.highest):
            return max(found.items(), key=lambda one: [int(part) for part in re.findall(r"\d+", one[0])])
    return "", -1


def _surest(hints: list[ComponentHint]) -> tuple[ComponentHint, ...]:
    """One hint a rule, version and kind of proof; a version that is only mentioned beside the proven one goes."""
    best: dict[tuple[str, str], ComponentHint] = {}
    for hint in hints:
        key = hint.rule, hint.version
        if key not in best or _STRENGTH[How(hint.how)] > _STRENGTH[How(best[key].how)]:
            best[key] = hint
    strongest: dict[str, int] = {}
    for hint in best.values():
        strongest[hint.rule] = max(strongest.get(hint.rule, 0), _STRENGTH[How(hint.how)] if hint.version else 0)
    kept = [
        hint
        for hint in best.values()
        if (hint.version and _STRENGTH[How(hint.how)] >= strongest[hint.rule])
        or (not hint.version and not strongest[hint.rule])
    ]
    return tuple(sorted(kept, key=lambda hint: (-_STRENGTH[How(hint.how)], hint.rule, hint.version)))


def _excerpt(text: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else " " for byte in text[:120]).strip()


class Components:
    """Fills `FileFacts.components`."""

    name = "components"
    result = ComponentFacts
    seconds = 60.0

    @functools.cached_property
    def version(self) -> str:
        return f"1-{rules_version()}"

    @functools.cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        return _matcher().patterns

    def wants(self, kind: FileKind, size: int) -> bool:
        unread = (FileKind.EMPTY, FileKind.IMAGE, FileKind.ARCHIVE, FileKind.PEM)
        return kind not in unread and 16 <= size <= _MAX_BYTES

    def extract(self, content: Content, hits: Sequence[Hit], need: bytes) -> ComponentFacts:
        """Never raises for bad bytes."""
        return ComponentFacts(hints=identify(rules(), _matcher(), content.data, content.kind, hits))
