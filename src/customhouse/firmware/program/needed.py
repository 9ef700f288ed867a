"""What was asked on all ways: the words that texts were compared with before control comes to a place.

A state tells what is known of a text as it is now; here it is what happened. A word that a text was once compared with
was asked, whatever became of the text afterwards, and a comparison that came out the other way on one of the ways was
not. Where a value was made of what was found out (a number for each command, the result of a function that looks for a
key), a test of the value tells which of the ways to it were taken.

Read from what is left of the evaluation (`traces`) when that is over: nothing that is found depends on it.
"""

from functools import cached_property
from typing import TYPE_CHECKING

from .asked import IS, NOBODY, Key, Words, both, common
from .asking import Asking
from .dispatched import Chain, Dispatched
from .given import Given

if TYPE_CHECKING:
    from .whole import Whole


class Needed:
    """Answers for one program."""

    def __init__(self, whole: "Whole") -> None:
        self.whole = whole
        self.terms = whole.terms
        self.given = Given(whole.terms, whole.image)
        self._readings: dict[int, Asking | None] = {}
        self._entered: dict[int, Words | None] = {}
        self._led: dict[tuple[int, int, int], Words] = {}

    def along(self, chain: Chain) -> Words:
        """What was asked on all ways to the last of a chain of calls, each (function, site)."""
        out: Words = {}
        below: int | None = None
        for index in reversed(range(len(chain))):
            function, site = chain[index]
            reading = self.reading(function)
            block = reading.block(site) if reading is not None else None
            if below is not None:
                out = both(self._row(function, site, below), self.moved(function, block, below, out))
            elif reading is not None and block is not None:
                out = reading.taken(block, None)
            out = both((reading.at(block) if reading is not None else None) or {}, out)
            below = function
        return both(self.entered(chain[0][0]) or {}, out)

    def led(self, at: tuple[int, int], callee: int) -> Words:
        """The word by which a table leads from a block to a function that it calls."""
        return self._row(at[0], self.whole.code.function(at[0]).blocks[at[1]].exit.site, callee)

    def _row(self, function: int, site: int, callee: int) -> Words:
        step = (function, site, callee)
        if step not in self._led:
            word = next(self._rows.words(((function, site), (callee, 0))), "")
            self._led[step] = {(IS, word): NOBODY} if word else {}
        return self._led[step]

    @cached_property
    def _rows(self) -> Dispatched:
        return Dispatched(self.whole)

    def moved(self, function: int, block: int | None, callee: int, words: Words) -> Words:
        """What a callee asked, in words of the function that calls it in a block."""
        reading = self.reading(function)
        calls = reading.trace.made.get(block or 0, ()) if reading is not None else ()
        given = [one.arguments for one in calls if one.target == callee] or [()]
        return common([self.given.words(words, one) for one in given])

    def entered(self, function: int) -> Words | None:
        """What was asked whenever a function is called; None while that is being found out."""
        if function in self._entered:
            return self._entered[function]
        self._entered[function] = None
        ways = []
        for at in self._callers(function):
            reading = self.reading(at[0])
            here = reading.at(at[1]) if reading is not None else {}
            before = self.entered(at[0])
            if here is not None and (before is not None or at[0] != function):
                ways.append(both(before or {}, both(self.closed(here), self.led(at, function))))
        self._entered[function] = out = common(ways) if ways else {}
        return out

    def _callers(self, function: int) -> list[tuple[int, int]]:
        passages = self.whole.store.validity.passages
        handed = []
        for (caller, site), targets in self.whole.handed.items():
            reading = self.reading(caller) if function in targets else None
            block = reading.block(site) if reading is not None else None
            if block is not None:
                handed.append((caller, block))
        return [*passages.callers.get(function, []), *handed]

    def closed(self, words: Words) -> Words:
        """What can be read without the function's parameters."""
        return {key: pointers for key, pointers in words.items() if not self._is_open(key)}

    def _is_open(self, key: Key) -> bool:
        if key[0] == IS:
            return any(isinstance(one, int) for one in key[1:])
        return self.terms.open[key[1]]

    def reading(self, function: int) -> Asking | None:
        """None when nothing is known of the function, or it is being read."""
        if function not in self._readings:
            trace = self.whole.traces.get(function)
            self._readings[function] = None
            if trace is not None:
                blocks = self.whole.code.function(function).blocks
                reading = Asking(trace, blocks, self.given, self.reading)
                reading.solve()
                self._readings[function] = reading
        return self._readings[function]
