"""Cutting Lua and PHP into tokens: enough to follow a value from a request to a command, no more.

Lua: manual 5.1, section 2.1. PHP: language reference, "Basic syntax" and "Strings".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_MOST: Final = 20_000

_LUA: Final = re.compile(
    r"""(?sx)
      (?P<skip>\s+|--(?!\[=*\[)[^\n]*)
    | (?P<long>(?:--)?\[(?P<level>=*)\[)
    | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    | (?P<name>[A-Za-z_]\w*(?:[ \t]?[.:][ \t]?[A-Za-z_]\w*)*)
    | (?P<number>0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?)
    | (?P<operator>\.\.\.|\.\.|==|~=|<=|>=|[-+*/%^\#<>=(){}\[\];:,.])
    | (?P<other>.)
    """
)
_PHP: Final = re.compile(
    r"""(?sx)
      (?P<skip>\s+|//[^\n]*|\#[^\n]*)
    | (?P<long>/\*)
    | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<shell>`(?:\\.|[^`\\])*`)
    | (?P<name>\$?[A-Za-z_]\w*(?:(?:->|::)\$?\w+)*)
    | (?P<number>0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?)
    | (?P<operator>===|!==|==|!=|<=|>=|\.=|=>|&&|\|\||\?\?|[-+*/%^<>=(){}\[\];:,.!?&|@~])
    | (?P<other>.)
    """
)
_KINDS: Final = ("string", "shell", "name", "number", "operator")


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: name, string, shell, number, operator. `offset` counts characters of the whole text."""

    kind: str
    text: str
    offset: int


def lua(text: str) -> list[Token]:
    """Of a Lua program, or of the code between `<%` and `%>` of a LuCI page."""
    if "<%" in text and "%>" in text:
        return [token for code, base in _between(text, "<%", "%>") for token in _cut(_LUA, code, base)][:_MOST]
    return list(_cut(_LUA, text, 0))


def php(text: str) -> list[Token]:
    """Of the code between `<?php` and `?>`."""
    return [token for code, base in _between(text, "<?", "?>") for token in _cut(_PHP, code, base)][:_MOST]


def _between(text: str, opening: str, closing: str) -> Iterator[tuple[str, int]]:
    """(code, where it starts); the last part may be left open."""
    at = text.find(opening)
    while at >= 0:
        start = at + len(opening)
        end = text.find(closing, start)
        start += 3 if text.startswith("php", start) else 0
        yield text[start : end if end >= 0 else len(text)], start
        at = text.find(opening, end) if end >= 0 else -1


def _cut(expression: re.Pattern[str], text: str, base: int) -> Iterator[Token]:
    """Long strings and comments are closed by a search, not by the expression: unclosed ones would cost its square."""
    at = count = 0
    unclosed: set[str] = set()
    while at < len(text) and count < _MOST:
        match = expression.match(text, at)
        if match is None:
            return
        at = match.end()
        if match.group("long") is not None:
            closing = f"]{match.group('level')}]" if expression is _LUA else "*/"
            end = -1 if closing in unclosed else text.find(closing, at)
            if end >= 0:
                at = end + len(closing)
            else:
                unclosed.add(closing)
            if match.group("long").startswith("["):
                count += 1
                yield Token("string", text[match.start() : at], base + match.start())
            continue
        kind = next((kind for kind in _KINDS if kind in expression.groupindex and match.group(kind) is not None), "")
        if kind:
            count += 1
            yield Token(
                kind, re.sub(r"\s+", "", match.group()) if kind == "name" else match.group(), base + match.start()
            )
