"""Texts that a loop prints piece by piece, each with its end, from the start of a buffer in a frame.

Behind the loop the pieces are what lies there. Had the loop gone round not once, it would be what lay there before; but
in a buffer that the program gave no text before its loop that is nothing of this buffer's: compilers put those of
different scopes at one place.
"""

from collections.abc import Callable
from functools import partial

from .activation import Activation
from .copyloops import CopyLoops
from .state import Content, State, either
from .terms import STACK, Location


class Built:
    """The texts that loops of one function print. `block` tells which block is being looked at."""

    def __init__(self, activation: Activation, copies: CopyLoops, block: Callable[[], int]) -> None:
        self.activation = activation
        self.terms = activation.terms
        self.copies = copies
        self.block = block
        self.made: dict[Location, Content] = {}
        self.before: dict[Location, set[Content]] = {}
        """What lay there when a loop began: texts from outside that somebody else put there."""

    def piece(self, state: State, pointer: int, content: Content) -> Callable[[], None] | None:
        """A text is about to be printed where a pointer points; what is given is to be called when it was."""
        start = self.copies.begun(self.block(), pointer)
        spots = self.terms.locate(start) if start is not None else ()
        if len(spots) != 1 or self.terms.nodes[spots[0][0]][0] != STACK or spots[0][2]:
            return None
        place = spots[0]
        if any(dep[0] == "T" and dep[1] == place[0] for dep in content.deps):
            return None  # of what lay there before
        old, known = state.texts.get(place), self.made.get(place)
        if old is not None and old != known and old.deps:
            self.before.setdefault(place, set()).add(old)
        elif known is None:
            return None
        made = content._replace(extent=0, verbatim=False)
        self.made[place] = made if known is None else either(known, made)
        return partial(self._put, state, place)

    def _put(self, state: State, place: Location) -> None:
        state.texts[place] = self.made[place]

    def settled(self, states: list[State]) -> list[State]:
        """The states of ways that meet, where one has what a loop printed and another what lay there before it."""
        for place, made in self.made.items():
            if any(one.texts.get(place) == made for one in states):
                states = [self._with(one, place, made) for one in states]
        return states

    def _with(self, state: State, place: Location, made: Content) -> State:
        if state.texts.get(place) not in self.before[place]:
            return state
        out = state.copy()
        out.texts[place] = made
        return out
