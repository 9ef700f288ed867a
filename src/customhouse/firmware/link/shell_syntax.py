"""What a shell script says, free of any parser's node types (POSIX.1-2017 XCU 2, and what busybox ash adds).

`source` fields keep the script's own words, since conditions are reported as they are written.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name`, `${name}`, `${name:-word}`; `operator` is empty for the plain forms, `#length` for `${#name}`."""

    name: str
    source: str
    quoted: bool = False
    operator: str = ""
    argument: "Word | None" = None


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(...)` or back-quotes."""

    body: "Sequence"
    source: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Opaque:
    """A part of a word whose value is not worked out (arithmetic, process substitution)."""

    source: str


Part = Literal | Parameter | Substitution | Opaque


@dataclass(frozen=True, slots=True)
class Word:
    parts: tuple[Part, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Assignment:
    name: str
    value: Word | None
    append: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    operator: str
    target: Word | None


@dataclass(frozen=True, slots=True)
class Simple:
    """A command with its words, or bare assignments. `offset` is in bytes of the script."""

    words: tuple[Word, ...]
    assignments: tuple[Assignment, ...]
    redirects: tuple[Redirect, ...]
    source: str
    offset: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """Commands one after the other; `background` are the indices of those followed by `&`."""

    commands: "tuple[Command, ...]"
    background: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class AndOr:
    left: "Command"
    operator: str
    right: "Command"


@dataclass(frozen=True, slots=True)
class Not:
    body: "Command"


@dataclass(frozen=True, slots=True)
class Pipeline:
    parts: "tuple[Command, ...]"


@dataclass(frozen=True, slots=True)
class Subshell:
    body: Sequence


@dataclass(frozen=True, slots=True)
class Branch:
    condition: Sequence
    body: Sequence
    source: str


@dataclass(frozen=True, slots=True)
class If:
    branches: tuple[Branch, ...]
    otherwise: Sequence | None


@dataclass(frozen=True, slots=True)
class For:
    """`words` is None for `for x; do`, which walks the positional parameters."""

    variable: str
    words: tuple[Word, ...] | None
    body: Sequence


@dataclass(frozen=True, slots=True)
class While:
    condition: Sequence
    body: Sequence
    source: str
    until: bool = False


@dataclass(frozen=True, slots=True)
class CaseItem:
    patterns: tuple[Word, ...]
    body: Sequence
    falls_through: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    subject: Word
    items: tuple[CaseItem, ...]


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    body: "Command"


Command = Simple | Sequence | AndOr | Not | Pipeline | Subshell | If | For | While | Case | Function


@dataclass(frozen=True, slots=True)
class Script:
    """`damage` holds the first words of each stretch that could not be parsed."""

    body: Sequence
    damage: tuple[str, ...] = ()
