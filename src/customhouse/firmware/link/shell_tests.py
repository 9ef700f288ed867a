"""`test`, `[` and `[[`: what can be said of a condition from the image alone (POSIX XCU test)."""

import fnmatch
import re
from collections.abc import Callable

from customhouse.model import NodeKind

from .files import Files
from .shell_state import NO, UNKNOWN, YES, State, Truth, Value
from .shell_words import absolute, is_removable, is_volatile

_NUMERIC: dict[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}
_TEXTUAL = ("=", "==", "!=", "<", ">", "=~")
_FILE = frozenset({f"-{letter}" for letter in "efdxrwsLhcbpSugkOGa"})
# Files of the running system that a script checks before it uses them, and that are there.
_ALWAYS = ("/dev/null", "/dev/console", "/dev/urandom", "/dev/random", "/dev/zero", "/proc", "/sys", "/dev", "/tmp")  # noqa: S108 - the device's


def test(words: list[Value], files: Files, state: State, *, double: bool = False) -> Truth:
    """The truth of the words between the brackets."""
    return _Test(words, files, state, double).either(0)[0] if words else NO


class _Test:
    """Recursive descent over `-o`, `-a`, `!`, parentheses and primaries; positions are indices into `words`."""

    def __init__(self, words: list[Value], files: Files, state: State, double: bool) -> None:
        self.words, self.files, self.state, self.double = words[:200], files, state, double

    def text(self, at: int) -> str:
        return self.words[at].text if at < len(self.words) else ""

    def either(self, at: int) -> tuple[Truth, int]:
        left, at = self.both(at)
        while self.text(at) in ("-o", "||"):
            right, at = self.both(at + 1)
            left = or_(left, right)
        return left, at

    def both(self, at: int) -> tuple[Truth, int]:
        left, at = self.term(at)
        while self.text(at) in ("-a", "&&"):
            right, at = self.term(at + 1)
            left = and_(left, right)
        return left, at

    def term(self, at: int) -> tuple[Truth, int]:
        if at >= len(self.words):
            return UNKNOWN, at + 1
        if self.text(at) == "!" and at + 1 < len(self.words):
            inner, after = self.term(at + 1)
            return inner.negated(), after
        if self.text(at) in ("(", "\\(") and at + 2 < len(self.words):
            inner, after = self.either(at + 1)
            return inner, after + 1
        if self.text(at + 1) in _NUMERIC or self.text(at + 1) in _TEXTUAL:
            return self.binary(at), at + 3
        if self.text(at) in ("-z", "-n") and at + 1 < len(self.words):
            return _empty(self.words[at + 1], self.text(at) == "-z"), at + 2
        if self.text(at) in _FILE and at + 1 < len(self.words):
            return self.file(self.text(at), self.words[at + 1]), at + 2
        return _empty(self.words[at], False), at + 1

    def binary(self, at: int) -> Truth:
        left, operator = self.words[at], self.text(at + 1)
        right = self.words[at + 2] if at + 2 < len(self.words) else Value("")
        if not (left.known and right.known):
            return UNKNOWN
        shipped = left.shipped or right.shipped
        if operator in _NUMERIC:
            try:
                return Truth(_NUMERIC[operator](int(left.text or "0"), int(right.text or "0")), shipped)
            except ValueError:
                return Truth(False, shipped)
        if operator in ("=~", "<", ">"):
            return UNKNOWN
        same = matches(left.text, right.text) if self.double else left.text == right.text
        return Truth(same if operator != "!=" else not same, shipped)

    def file(self, operator: str, word: Value) -> Truth:
        if not word.known:
            return UNKNOWN
        if not word.text:
            return NO
        return file_test(operator, absolute(word.text, self.state), self.files)


def _empty(word: Value, wanted: bool) -> Truth:
    return Truth((not word.text) == wanted, word.shipped) if word.known else UNKNOWN


def file_test(operator: str, path: str, files: Files) -> Truth:
    """A file's presence is a fact of the image; its absence is one only as shipped, since it may be made later."""
    if path in _ALWAYS:
        return YES
    if is_removable(path) and not files.exists(path):
        return Truth(False, shipped=True)
    if is_volatile(path):
        return UNKNOWN
    real = files.real(path)
    if operator in ("-L", "-h"):
        node = files.nodes.get(path)
        return Truth(node is not None and node.kind is NodeKind.SYMLINK, shipped=True)
    if real is None:
        return UNKNOWN if files.unseen(path) else Truth(False, shipped=True)
    node = files.nodes.get(real)
    kind = node.kind if node is not None else NodeKind.DIRECTORY
    if operator == "-d":
        return YES if kind is NodeKind.DIRECTORY else NO
    if operator == "-f":
        return YES if kind is NodeKind.FILE else NO
    if operator == "-s":
        return Truth(node is not None and (node.size > 0 or kind is NodeKind.DIRECTORY), shipped=True)
    if operator == "-x" and node is not None and kind is NodeKind.FILE:
        # Some images lose their modes on the way (cramfs tools, archives): a mode of 0 says nothing.
        return (YES if node.mode & 0o111 else Truth(False, shipped=True)) if node.mode else UNKNOWN
    return YES


def matches(text: str, pattern: str) -> bool:
    """A shell pattern, as in `case` and `[[`."""
    try:
        return bool(re.compile(fnmatch.translate(pattern.replace("[^", "[!"))).match(text))
    except re.error:
        return text == pattern


def and_(left: Truth, right: Truth) -> Truth:
    for side in (left, right):
        if side.value is False:
            return side
    if left.value and right.value:
        return Truth(True, left.shipped or right.shipped)
    return UNKNOWN


def or_(left: Truth, right: Truth) -> Truth:
    return and_(left.negated(), right.negated()).negated()
