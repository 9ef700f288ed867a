"""One call of a library function as its model sees it: arguments, texts behind them, and the evaluation it acts on."""

from collections.abc import Callable
from typing import Any, Protocol

from ..ends import Ends
from ..memory import Memory
from ..reach import Reach
from ..rows import Rows
from ..state import Content, Fact, State
from ..terms import Terms


class Caller(Protocol):
    """The evaluation that a model acts on."""

    terms: Terms
    memory: Memory
    ends: Ends
    site: int

    @property
    def spot(self) -> int:
        """Where an object is made that a call gives."""

    looping: bool
    rows: Rows
    entry: frozenset[Fact]
    feeds: bool

    def argument(self, state: State, index: int) -> int: ...
    def variable_arguments(self, state: State, first: int, count: int) -> tuple[int, ...]: ...
    def list_arguments(self, state: State, pointer: int, count: int) -> tuple[int, ...]: ...
    def sink(self, state: State, name: str, content: Content, extra: str = "") -> None: ...
    def feed(self, state: State, name: str, descriptor: int, content: Content) -> None: ...
    def shell(self, state: State, name: str, program: tuple[int, int, int]) -> None: ...
    def start(self, state: State, name: str, path: int, vector: int) -> None: ...
    def overrun(
        self,
        state: State,
        name: str,
        target: int,
        content: Content | None,
        size: int | None,
        sources: tuple[tuple[int, int | None], ...] = (),
        literal: int = 0,
        again: int = 1,
    ) -> None: ...
    def string_limit(self, state: State, source: int) -> int | None: ...
    def separate(self, state: State, sources: frozenset[int]) -> bool: ...
    def whole_copy(self, state: State, target: int, size: int, limit: int | None = None) -> Reach: ...
    def again(self, state: State, target: int, content: Content, site: int | None = None) -> int: ...
    def before(self, text: Content, source: int) -> tuple[int, ...]: ...
    def limit(self, state: State, size: int) -> int | None: ...
    @property
    def printing(self) -> Callable[[State, int, Content], Callable[[], None] | None]: ...
    def note(self, event: tuple[Any, ...]) -> None: ...
    def callback(self, state: State, function: int, arguments: tuple[int, ...]) -> None: ...
    def range_of(self, state: State, term: int) -> tuple[int, int] | None: ...


class Call:
    """One call being modelled."""

    def __init__(self, caller: Caller, state: State, name: str, numbers: list[int]) -> None:
        self.caller, self.state, self.name, self.numbers = caller, state, name, numbers
        self.terms, self.memory = caller.terms, caller.memory

    def number(self, index: int) -> int:
        return self.numbers[index] if index < len(self.numbers) else -1

    def arg(self, index: int) -> int:
        return self.caller.argument(self.state, index)

    def nth(self, position: int) -> int:
        """The argument that the model's number at `position` names."""
        return self.arg(self.numbers[position])

    def text(self, pointer: int) -> Content:
        return self.memory.text(self.state, pointer)

    def result(self, count: int = 3) -> int:
        return self.terms.result(self.caller.site, self.name, tuple(self.arg(index) for index in range(count)))

    def size(self, index: int) -> int | None:
        """The largest value of a size argument, when known."""
        if index < 0:
            return None
        span = self.caller.range_of(self.state, self.arg(index))
        return span[1] if span is not None and 0 <= span[1] < 1 << 24 else None

    def room(self, size: int) -> int:
        """A number that a caller gives and that a size is not above, -1 when there is none."""
        base, more = self.terms.based(size)
        for fact in sorted(fact for fact in self.state.facts if fact[0] == "most" and fact[1] == base):
            if self.terms.open[fact[2]]:
                return self.terms.add(fact[2], fact[3] + more)
        return size if self.terms.open[size] else -1

    def write(self, pointer: int, content: Content, sized: bool = False) -> None:
        spots = self.memory.targets(self.state, pointer)
        content = content._replace(appended=frozenset())
        self.caller.entry = self.caller.rows.asked(self.state, pointer)
        for spot in spots:
            self.memory.write_text(self.state, spot, content, weak=len(spots) > 1, sized=sized)
        self.caller.entry = frozenset()
        self.memory.keys.written(self.state, pointer, content)


Actions = dict[str, Callable[[Call], int]]
"""Models by their names in `libc.toml`: each changes the call's state and gives the term of its result."""
