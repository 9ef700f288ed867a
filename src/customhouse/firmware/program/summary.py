"""What a function does, in words of its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .state import Content, Fact
from .terms import Location
from .untold import NOTHING, Looks

Event = tuple[Any, ...]
Lacking = frozenset[tuple[int, int]]
"""Texts by their distance from a word of the same object, each with the bytes that it lacks; `POINTED` stands for the
text that the word points to.
"""
POINTED = 1 << 62
Verdicts = frozenset[tuple[int, Lacking]]
"""The values that are stored in a word, and what is known then of the texts beside it."""
LOOP = "copy loop"
"""The name under which such a copy is told."""
FILLS = "fills"
"""The kind of event that tells how far a text grows: where it begins, and the most bytes of it, with its end."""
LETTERS = "letter by letter"
"""The kind of event that tells of a letter that is put at an index which is kept in memory and counts on: where the
text begins, the index, the most that tests let it be, and the letter.
"""
SENT = "sent"
"""The kind of event that tells where packets lie that are sent, of a length that is not constant, and its limit."""
OPEN, ONCE = 0, 1
"""How often a text is gone on with: `OPEN` when loops of callers may repeat it, since nobody asked how long it is."""
ONE_TEXT, ENDLESS = 1 << 30, 1 << 40
"""As often as there is something left of one text, and as often as someone outside wants."""
MAX_RETURNS = 10
"""Ways to return of one function that its callers hear of."""


class Sites(NamedTuple):
    """What each block of a function does that outlives it, in order, and what the words that it stores say."""

    events: Mapping[int, Mapping[Event, frozenset[Fact]]]
    verdicts: Mapping[int, Mapping[Event, Verdicts]]


Guards = dict[tuple[Any, ...], frozenset[Fact]]
"""By a place, or a place with the first of what a part of a text there is (see `state.Dep`)."""


@dataclass
class Summary:
    """`returns` pairs each returned value with the facts that hold when it is returned; `events` are those that
    speak of parameters.
    """

    function: int
    returns: list[tuple[int, frozenset[Fact]]] = field(default_factory=list)
    words: dict[Location, tuple[int, int]] = field(default_factory=dict)
    texts: dict[Location, Content] = field(default_factory=dict)
    sure: set[Location] = field(default_factory=set)
    """Places that are written whichever way the function returns."""
    fresh: frozenset[int] = frozenset()
    """Heap objects that it made and gave to nobody but its caller."""
    freed: frozenset[int] = frozenset()
    """Parameters that it frees."""
    guards: Guards = field(default_factory=dict)
    """For places that are written only where a parameter was found to be a word, and for parts of texts that are put
    there only then: what was found.
    """
    verdicts: dict[Location, Verdicts] = field(default_factory=dict)
    """For words that are stored: what they say of the texts beside them."""
    events: list[Event] = field(default_factory=list)
    unread: frozenset[Location] = frozenset()
    """Places of texts that nobody else had the time to read before it returned."""
    looks: Looks = NOTHING
    """Where it reads texts that no caller gave it."""
    returning: bool = False
