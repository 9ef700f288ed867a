"""How time goes on where a program has nothing to do: in small steps behind a session, then far at once."""

_TICKS = 2
"""Times that something of the program's own happens before a session begins."""
_NEAR = 5.0
"""Seconds that go by step by step: peers hang up in them."""
_LATER = 4000.0
"""Seconds that pass at once, for what is done now and then."""
_MOST_TICKS = 60
_MOST_OPERATIONS = 12_000
"""Of the time that goes by step by step."""


class Lull:
    """The time behind one session, or before the first."""

    def __init__(self, clock: float, operations: int, first: bool, last: bool) -> None:
        self.end, self.most = clock + _NEAR, operations + _MOST_OPERATIONS
        self.ticks = 0
        self.far = 0 if first else 2 if last else 1
        """How often much time still passes at once."""
        self.is_near = not first

    def next(self, clock: float, soonest: float, operations: int) -> float | None:
        """The time that it is now, None when the lull is over. `soonest` is when something is to happen."""
        soonest = max(clock, soonest)
        self.ticks += 1
        if self.ticks <= _TICKS:
            return soonest
        if self.is_near and clock < self.end:
            if soonest <= self.end and self.ticks < _MOST_TICKS and operations < self.most:
                return soonest
            self.is_near = False
            if soonest <= self.end:
                return self.end
        if self.far:
            self.far -= 1
            self.ticks = 0
            return soonest + _LATER
        return None
