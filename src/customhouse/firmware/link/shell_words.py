"""Words -> values: parameters, defaults, command substitution, field splitting and globs (POSIX XCU 2.6)."""

import fnmatch
import re
from collections.abc import Callable
from dataclasses import replace

from .files import Files
from .shell_state import State, Value
from .shell_syntax import Literal, Opaque, Parameter, Sequence, Substitution, Word

_MAX_TEXT = 4096
_GLOB = re.compile(r"[*?]|\[[^\]]+\]")
_VOLATILE = ("/tmp", "/var/run", "/var/tmp", "/run", "/proc", "/sys", "/dev", "/mnt", "/media")  # noqa: S108 - paths on the device, not here

_REMOVABLE = re.compile(
    r"(?i)^/(?:media/[^/\s]+/\S|(?:tmp|mnt|var|run|home|opt)?/?(?:\w+/)?(?:"
    r"(?:tf|sd|mmc|usb|u-?disk|ext|tfcard)_?(?:card|disk|stick|storage)?\d?\d?|mmcblk\d(?:p\d)?|sd[a-d]\d?|usbhost\d?)/\S)"
)

Substitute = Callable[[Sequence, State], Value]


def is_volatile(path: str) -> bool:
    """Filled while the device runs: what the image holds there says nothing."""
    return any(path == root or path.startswith(root + "/") for root in _VOLATILE)


def is_removable(path: str) -> bool:
    """Below the usual mount points of memory cards and USB sticks: nothing is there unless somebody puts it in."""
    return bool(_REMOVABLE.match(path))


def absolute(path: str, state: State) -> str:
    """A path as the script means it, without `.` and doubled slashes; `..` is left to the links."""
    joined = path if path.startswith(("/", "@")) else f"{state.folder}/{path}"
    parts = [part for part in joined.split("/") if part not in ("", ".")]
    return "/".join(parts) if joined.startswith("@") else "/" + "/".join(parts)


class Expander:
    """Expands words against one device. `substitute` gives what a command prints."""

    def __init__(self, files: Callable[[], Files], substitute: Substitute) -> None:
        self._files = files
        self._substitute = substitute

    def fields(self, words: tuple[Word, ...], state: State) -> list[Value]:
        return [value for word in words for value in self._word(word, state)]

    def single(self, word: Word | None, state: State) -> Value:
        """As in an assignment or a redirection: no splitting, no globs."""
        if word is None:
            return Value("")
        pieces = [self._part(part, state) for part in word.parts]
        return _glue(pieces)

    def _word(self, word: Word, state: State) -> list[Value]:
        if len(word.parts) == 1 and isinstance(word.parts[0], Parameter) and word.parts[0].name in "@*":
            return list(state.arguments)
        if len(word.parts) == 1 and isinstance(word.parts[0], Literal):
            literal = word.parts[0]
            if literal.quoted or not (literal.text.startswith("~") or _GLOB.search(literal.text)):
                return [Value(literal.text)]  # most words, and nothing to work out
        fields: list[list[tuple[Value, bool]]] = [[]]
        for part in word.parts:
            value = self._part(part, state)
            quoted = getattr(part, "quoted", False)
            if quoted or isinstance(part, Literal) or not value.known:
                fields[-1].append((value, quoted))
                continue
            pieces = value.text.split()
            if value.text[:1].isspace() and fields[-1]:
                fields.append([])
            for index, piece in enumerate(pieces):
                if index:
                    fields.append([])
                fields[-1].append((replace(value, text=piece), False))
            if pieces and value.text[-1:].isspace():
                fields.append([])
        return [value for field in fields if field for value in self._globbed(field, state)]

    def _globbed(self, field: list[tuple[Value, bool]], state: State) -> list[Value]:
        value = _glue([piece for piece, _ in field])
        bare = "".join(piece.text for piece, quoted in field if not quoted)
        if not value.known or not _GLOB.search(bare):
            return [value]
        pattern = absolute(value.text, state)
        found = self._files().glob(pattern)
        if found and not is_volatile(pattern):
            kept = found if value.text.startswith("/") else [_relative(path, state) for path in found]
            return [Value(path, shipped=value.shipped) for path in kept]
        return [replace(value, known=False)] if is_volatile(pattern) else [value]

    def _part(self, part: object, state: State) -> Value:
        if isinstance(part, Literal):
            home = part.text == "~" or part.text.startswith("~/")
            return Value("/root" + part.text[1:]) if home and not part.quoted else Value(part.text)
        if isinstance(part, Substitution):
            value = self._substitute(part.body, state)
            return value if value.known else Value(part.source, known=False)
        if isinstance(part, Parameter):
            return self._parameter(part, state)
        return Value(part.source if isinstance(part, Opaque) else "", known=False)

    def _parameter(self, part: Parameter, state: State) -> Value:
        value = lookup(part.name, state)
        if not part.operator:
            return value if value.known else Value(part.source, known=False)
        return self._operated(part, value, state)

    def _operated(self, part: Parameter, value: Value, state: State) -> Value:
        operator = part.operator
        unknown = Value(part.source, known=False)
        if not value.known:
            return unknown
        if operator == "#length":
            return replace(value, text=str(len(value.text)))
        if operator in (":-", "-", ":=", "=", ":?", "?"):
            return value if value.text else self.single(part.argument, state)
        if operator in (":+", "+"):
            return self.single(part.argument, state) if value.text else Value("")
        argument = self.single(part.argument, state)
        if not argument.known or operator not in ("#", "##", "%", "%%"):
            return unknown
        return replace(value, text=_trimmed(value.text, operator, argument.text))


def lookup(name: str, state: State) -> Value:
    """A variable or a positional or special parameter."""
    if name in state.variables:
        return state.variables[name]
    if name.isdigit():
        index = int(name)
        if index == 0:
            return Value(state.name)
        return state.arguments[index - 1] if index <= len(state.arguments) else Value("")
    if name in "@*":
        return _glue([part for value in state.arguments for part in (Value(" "), value)][1:])
    if name == "#":
        return Value(str(len(state.arguments)))
    if name in ("?", "$", "!", "-", "_", "RANDOM") or state.blind:
        return Value(f"${name}", known=False)
    return Value("")


def _glue(pieces: list[Value]) -> Value:
    if len(pieces) == 1:
        return pieces[0]
    text = "".join(piece.text for piece in pieces)[:_MAX_TEXT]
    return Value(text, all(piece.known for piece in pieces), any(piece.shipped for piece in pieces))


def _trimmed(text: str, operator: str, pattern: str) -> str:
    """`${x#p}` and its three sisters."""
    try:
        match = re.compile(fnmatch.translate(pattern)).match
    except re.error:
        return text
    cuts = range(len(text) + 1)
    ordered = cuts if operator in ("#", "%%") else cuts[::-1]
    for cut in ordered:
        if operator[0] == "#" and match(text[:cut]):
            return text[cut:]
        if operator[0] == "%" and match(text[cut:]):
            return text[:cut]
    return text


def _relative(path: str, state: State) -> str:
    base = state.folder.rstrip("/") + "/"
    return path[len(base) :] if path.startswith(base) else path
