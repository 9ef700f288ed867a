"""What a function does, in words of its parameters."""

from dataclasses import dataclass, field
from typing import Any

from .state import Content, Fact
from .terms import Location

Event = tuple[Any, ...]
LOOP = "copy loop"
"""The name under which such a copy is told."""
MAX_RETURNS = 10
"""Ways to return of one function that its callers hear of."""


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
    guards: dict[Location, frozenset[Fact]] = field(default_factory=dict)
    """For places that are written only where a parameter was found to be a word: what was found."""
    events: list[Event] = field(default_factory=list)
    returning: bool = False
