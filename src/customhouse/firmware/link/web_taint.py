"""Following a request parameter to a command through one Lua or PHP file.

Names are followed in the order of the text, through assignments and through calls of functions of the same file.
A value that went through a cleaning function, was tested against a pattern, or is only compared, carries nothing
further: what is reported is what nothing stopped.
"""

import functools
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Final

import msgspec

from . import web_tokens
from .web_tokens import Token

_COMPARES: Final = frozenset({"==", "~=", "!=", "===", "!==", "<", ">", "<=", ">="})
_LUA_ENDS: Final = frozenset(
    {
        "local",
        "if",
        "end",
        "then",
        "return",
        "function",
        "for",
        "while",
        "do",
        "else",
        "elseif",
        "repeat",
        "until",
        "in",
        "break",
    }
)
_OPENERS: Final = {"(": ")", "[": "]", "{": "}"}
_INTERPOLATED: Final = re.compile(r"\{?(\$[A-Za-z_]\w*)")
_ONLY_NUMBERS: Final = re.compile(r"%[-+ 0#]*\d*(?:\.\d+)?([a-zA-Z])")
_NUMBER_FORMATS: Final = frozenset("dioxXufFeEgGc")
_ROUNDS: Final = 4
_FLOWS_MOST: Final = 20
_EXPRESSION_MOST: Final = 150  # tokens of one expression that are looked at: nested calls would cost their square


class Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of web_languages.toml."""

    source_calls: frozenset[str]
    source_names: frozenset[str]
    source_environment: frozenset[str]
    sinks: frozenset[str]
    clean: frozenset[str]
    guards: frozenset[str]


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    names: frozenset[str]
    prefixes: tuple[str, ...]

    def holds(self, name: str) -> bool:
        """Whether a CGI variable is the client's to write."""
        return name in self.names or name.startswith(self.prefixes)


@functools.cache
def languages() -> dict[str, Language]:
    return {name: msgspec.convert(_tables()[name], Language) for name in ("lua", "php")}


@functools.cache
def environment() -> Environment:
    return msgspec.convert(_tables()["environment"], Environment)


@functools.cache
def _tables() -> dict[str, object]:
    return tomllib.loads(resources.files(__package__).joinpath("web_languages.toml").read_text("utf-8"))


@dataclass(frozen=True)
class Reached:
    """A request's value arrived at a sink. `offset` counts characters."""

    source: str
    sink: str
    offset: int


@functools.cache
def _names_sink(language: str) -> re.Pattern[str]:
    """Most pages run nothing; their text is not even cut into tokens."""
    last = {re.escape(re.split(r"[.:]", sink)[-1]) for sink in languages()[language].sinks}
    return re.compile(r"\b(?:" + "|".join(sorted(last)) + r")\b|`")


@dataclass
class _Function:
    parameters: tuple[str, ...]
    tainted: dict[str, str] = field(default_factory=dict)


def reached(text: str, language: str) -> list[Reached]:
    """Every sink that a request's value reaches, by offset."""
    if not _names_sink(language).search(text):
        return []
    tokens = web_tokens.lua(text) if language == "lua" else web_tokens.php(text)
    follower = _Follower(tokens, languages()[language], is_lua=language == "lua")
    found: dict[int, Reached] = {}
    for _ in range(_ROUNDS):
        before = follower.known
        for one in follower.walk():
            found.setdefault(one.offset, one)
        if follower.known == before:
            break
    return [found[at] for at in sorted(found)][:_FLOWS_MOST]


class _Follower:
    """One pass in the order of the text; repeated while calls teach functions about their parameters."""

    def __init__(self, tokens: Sequence[Token], language: Language, *, is_lua: bool) -> None:
        self._tokens, self._language, self._lua = tokens, language, is_lua
        self._functions: dict[str, _Function] = {}
        self._dirty: dict[str, str] = {}
        self._closing = _brackets(tokens)

    @property
    def known(self) -> int:
        """How much functions have been taught."""
        return sum(len(function.tainted) for function in self._functions.values())

    def walk(self) -> Iterator[Reached]:
        self._dirty = {}
        at = 0
        while at < len(self._tokens):
            token = self._tokens[at]
            if token.text == "function":
                at = self._enter(at)
                continue
            if token.kind == "shell":
                source = self._in_string(token.text)
                if source:
                    yield Reached(source, "back-quotes", token.offset)
            elif token.kind == "name":
                yield from self._name(at)
            at += 1

    def _name(self, at: int) -> Iterator[Reached]:
        token = self._tokens[at]
        if self._is(at + 1, "("):
            close = self._close(at + 1)
            yield from self._call(token, at + 2, close)
        elif self._is(at + 1, "=") or self._is(at + 1, ".="):
            self._assign(at)

    def _call(self, token: Token, start: int, close: int) -> Iterator[Reached]:
        name = token.text.replace(":", ".")
        last = name.rpartition(".")[2]
        if name in self._language.sinks:
            source = self._dirt(start, close)
            if source and not self._formats_numbers(start, close):
                yield Reached(source, token.text, token.offset)
        elif name in self._language.guards or (self._lua and last in self._language.guards):
            self._guard(name, start, close)
        elif name in self._functions:
            self._teach(self._functions[name], start, close)

    def _guard(self, name: str, start: int, close: int) -> None:
        """A value tested against something strict is taken for tested: `x:match("^[%w]+$")`, `is_numeric($x)`."""
        near = self._tokens[start : min(close, start + _EXPRESSION_MOST)]
        pattern = next((t.text for t in near if t.kind == "string"), "")
        strict = not pattern or ("^" in pattern and "$" in pattern and not re.search(r"\.[*+-]", pattern))
        if not strict:
            return
        subject = name.rpartition(".")[0] if self._lua else ""
        for text in (subject, *(t.text for t in near if t.kind == "name")):
            self._dirty.pop(text, None)

    def _teach(self, function: _Function, start: int, close: int) -> None:
        for parameter, (first, last) in zip(function.parameters, self._arguments(start, close), strict=False):
            source = self._dirt(first, last)
            if source:
                function.tainted.setdefault(parameter, source)

    def _arguments(self, start: int, close: int) -> Iterator[tuple[int, int]]:
        first = at = start
        while at < min(close, start + _EXPRESSION_MOST):
            if self._tokens[at].text in _OPENERS:
                at = self._close(at)
            elif self._tokens[at].text == ",":
                yield first, at
                first = at + 1
            at += 1
        if first < close:
            yield first, close

    def _enter(self, at: int) -> int:
        """A function's names begin anew, apart from what its callers were seen to hand over."""
        name = self._tokens[at + 1].text if at + 1 < len(self._tokens) and self._tokens[at + 1].kind == "name" else ""
        opening = at + 2 if name else at + 1
        if not self._is(opening, "("):
            return at + 1
        close = self._close(opening)
        parameters = tuple(t.text for t in self._tokens[opening + 1 : close] if t.kind == "name")
        if name:
            function = self._functions.setdefault(name.replace(":", "."), _Function(parameters))
            self._dirty = dict(function.tainted)
        return close + 1

    def _assign(self, at: int) -> None:
        """`a = ...`, `local a, b = ...`, `$a .= ...`."""
        targets = [self._tokens[at].text]
        back = at - 1
        while back > 0 and self._tokens[back].text == "," and self._tokens[back - 1].kind == "name":
            targets.append(self._tokens[back - 1].text)
            back -= 2
        source = self._dirt(at + 2, self._end(at + 2))
        for target in targets:
            if source:
                self._dirty[target] = source
            elif self._tokens[at + 1].text == "=":
                self._dirty.pop(target, None)

    def _end(self, start: int) -> int:
        """Where the expression that begins at `start` ends."""
        at = start
        while at < min(len(self._tokens), start + _EXPRESSION_MOST):
            token = self._tokens[at]
            if token.text in _OPENERS and token.kind == "operator":
                at = self._close(at)
            elif token.text in (";", ")", "}", "]") or (
                self._lua and token.kind == "name" and (token.text in _LUA_ENDS or self._follows_value(at, start))
            ):
                return at
            at += 1
        return at

    def _follows_value(self, at: int, start: int) -> bool:
        """Two values with nothing between them: in Lua the second begins the next statement."""
        before = self._tokens[at - 1]
        joins = {"and", "or", "not"}
        if at == start or self._tokens[at].text in joins or before.text in joins:
            return False
        return before.kind in ("name", "string", "number") or before.text in (")", "]", "}")

    def _dirt(self, start: int, end: int) -> str:
        """The first source that reaches the expression; empty when none does."""
        at = start
        while at < min(end, len(self._tokens), start + _EXPRESSION_MOST):
            token = self._tokens[at]
            if token.kind == "name":
                called = self._is(at + 1, "(") and at + 1 < end
                if called and self._cleans(token.text):
                    at = self._close(at + 1) + 1
                    continue
                source = self._source(at, called)
                if source and not self._compared(at, called, start):
                    return source
            elif token.kind in ("string", "shell") and not self._lua and token.text[0] != "'":
                source = self._in_string(token.text)
                if source:
                    return source
            at += 1
        return ""

    def _cleans(self, name: str) -> bool:
        plain = name.replace(":", ".")
        return plain in self._language.clean or (self._lua and plain.endswith((".match", ".gsub", ".len", ".byte")))

    def _source(self, at: int, called: bool) -> str:
        text = self._tokens[at].text
        plain = text.replace(":", ".")
        if called and plain in self._language.source_calls:
            return f"{text}({self._first_string(at)})"
        if called and plain in self._language.source_environment:
            name = self._first_string(at).strip("\"'")
            return f"{text}({name})" if environment().holds(name) else ""
        if plain in self._language.source_names:
            return f"{text}[{self._first_string(at)}]" if self._is(at + 1, "[") else text
        if not self._lua and text == "$_SERVER" and environment().holds(self._first_string(at).strip("\"'")):
            return f"$_SERVER[{self._first_string(at)}]"
        root = plain.split(".")[0] if self._lua else re.split(r"->|::", plain)[0]
        return self._dirty.get(text) or self._dirty.get(root, "")

    def _first_string(self, at: int) -> str:
        near = self._tokens[at + 2 : at + 3]
        return near[0].text if near and near[0].kind == "string" else ""

    def _compared(self, at: int, called: bool, start: int) -> bool:
        after = at + 1
        while after < len(self._tokens) and self._tokens[after].text in ("(", "["):
            after = self._close(after) + 1
        behind = self._tokens[after].text if after < len(self._tokens) else ""
        before = self._tokens[at - 1].text if at > start else ""
        return behind in _COMPARES or before in _COMPARES or before in ("#", "not", "!")

    def _in_string(self, text: str) -> str:
        for match in _INTERPOLATED.finditer(text):
            name = match.group(1)
            if name in self._language.source_names:
                return name
            if name in self._dirty:
                return self._dirty[name]
        return ""

    def _formats_numbers(self, start: int, close: int) -> bool:
        """`("kill %d"):format(x)` and `"kill %d" % x` put nothing but a number in."""
        near = self._tokens[start : min(close, start + _EXPRESSION_MOST)]
        strings = [t.text for t in near if t.kind == "string"]
        letters = _ONLY_NUMBERS.findall(strings[0]) if strings else []
        joined = any(t.text in ("..", ".") for t in near)
        return bool(letters) and not joined and set(letters) <= _NUMBER_FORMATS

    def _is(self, at: int, text: str) -> bool:
        return at < len(self._tokens) and self._tokens[at].text == text

    def _close(self, at: int) -> int:
        """Index of the bracket that closes the one at `at`; the last token when none does."""
        return self._closing.get(at, len(self._tokens) - 1)


def _brackets(tokens: Sequence[Token]) -> dict[int, int]:
    """Opening to closing indices."""
    pairs: dict[int, int] = {}
    waiting: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind != "operator":
            continue
        if token.text in _OPENERS:
            waiting.append(index)
        elif token.text in (")", "]", "}") and waiting:
            pairs[waiting.pop()] = index
    return pairs
