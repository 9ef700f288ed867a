"""Ways of control through a whole program: whether it can come from one block to another without passing certain
others.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from .order import natural_loops
from .recovery import Function
from .state import Fact

if TYPE_CHECKING:
    from .whole import Whole

_LEVELS = 6
At = tuple[int, int]
"""A block of a function: the addresses of both."""


class Way(NamedTuple):
    """What lies on the ways from a place: the goal, the function's return, a call that waits or lets others in."""

    reached: bool = False
    returned: bool = False
    waited: bool = False


class Passages:
    """The blocks of all functions that were evaluated, and who calls whom where."""

    def __init__(self, whole: "Whole") -> None:
        self.whole = whole
        self._asked: dict[int, frozenset[Fact]] = {}
        self._before: dict[int, dict[int, list[int]]] = {}
        self._opened: dict[tuple[At, At, frozenset[At]], bool] = {}

    @cached_property
    def callers(self) -> dict[int, list[At]]:
        """The blocks that call a function of the program."""
        out: dict[int, list[At]] = {}
        for function in list(self.whole.sites):
            blocks = self.whole.code.function(function)
            for address in blocks.order:
                for one in self.callees(blocks, address):
                    out.setdefault(one, []).append((function, address))
        return out

    def before(self, function: int, block: int) -> list[int]:
        """The blocks from which control comes to a block of a function."""
        found = self._before.get(function)
        if found is None:
            found = self._before[function] = {}
            for address, after in self.whole.code.function(function).successors.items():
                for one in after:
                    found.setdefault(one, []).append(address)
        return found.get(block, [])

    def begins(self, function: int) -> bool:
        """Whether the program begins with a function: its entry hands it to the library, and nobody else does."""
        entry = self.whole.image.entry
        by = {at[0] for at, targets in self.whole.handed.items() if function in targets}
        return function == entry or by == {entry}

    def asked(self, function: int, level: int = 0) -> frozenset[Fact]:
        """The tests of words in memory that hold whenever a function is called."""
        found = self._asked.get(function)
        if found is not None or level > _LEVELS:
            return found or frozenset()
        self._asked[function] = frozenset()
        sites = [at for at, targets in self.whole.called.items() if function in targets]
        if sites and not any(function in targets for targets in self.whole.handed.values()):
            told = [self.whole.asked.get(at, frozenset()) | self.asked(at[0], level + 1) for at in sites]
            self._asked[function] = frozenset.intersection(*told)
        return self._asked[function]

    def callees(self, function: Function, block: int) -> Iterable[int]:
        """The functions of the program that a block calls."""
        return self.whole.called.get((function.address, function.blocks[block].exit.site), ())

    def open(self, start: At, goal: At, closed: frozenset[At]) -> bool:
        """Whether control comes from behind a block to the goal without passing a closed one, also through the callers
        of its function. Where another thread or handler asks, whether anybody can look in between.
        """
        asked = (start, goal, closed)
        if asked not in self._opened:
            self._opened[asked] = self._open(*asked)
        return self._opened[asked]

    def _open(self, start: At, goal: At, closed: frozenset[At]) -> bool:
        known: dict[int, Way] = {}
        waited = ended = False
        over: set[At] = {start}
        functions: set[int] = set()
        work = [start]
        while work:
            function, block = work.pop()
            functions.add(function)
            after = self.whole.code.function(function).successors.get(block, ())
            way = self._ways(function, after, goal, closed, known)
            if way.reached:
                return True
            waited = waited or way.waited
            if way.returned or not after:
                callers = self.callers.get(function, [])
                ended = ended or not callers
                work += [one for one in callers if one not in over and one not in closed]
                over.update(callers)
        return (waited or ended) and goal[0] not in self._under(functions)

    def pass_over(self, at: At, but: At) -> At | None:
        """The head of the innermost loop around a block, if it neither waits, nor calls functions of the program, nor
        has the block `but` in it.
        """
        function = self.whole.code.function(at[0])
        loops = natural_loops(function.successors, {one: index for index, one in enumerate(function.order)})
        around = [(len(body), head) for head, body in loops.items() if at[1] in body]
        if not around:
            return None
        head = min(around)[1]
        for block in loops[head]:
            leave = function.blocks[block].exit
            if (at[0], block) == but or self.callees(function, block):
                return None
            if (at[0], leave.site) in self.whole.waiting:
                return None
        return at[0], head

    def _under(self, functions: set[int]) -> set[int]:
        """These functions, and all that they call."""
        out, work = set(functions), list(functions)
        while work:
            function = self.whole.code.function(work.pop())
            for address in function.order:
                fresh = [one for one in self.callees(function, address) if one not in out]
                out.update(fresh)
                work += fresh
        return out

    def _ways(self, address: int, starts: Iterable[int], goal: At, closed: frozenset[At], known: dict[int, Way]) -> Way:
        function = self.whole.code.function(address)
        reached = returned = waited = False
        seen: set[int] = set()
        work = list(starts)
        while work:
            block = work.pop()
            if block in seen or (address, block) in closed or block not in function.blocks:
                continue
            seen.add(block)
            reached = reached or (address, block) == goal
            leave = function.blocks[block].exit
            after = function.successors.get(block, ())
            inner = [self._through(one, goal, closed, known) for one in self.callees(function, block)]
            reached = reached or any(one.reached for one in inner)
            waited = waited or any(one.waited for one in inner)
            waited = waited or (address, leave.site) in self.whole.waiting
            if inner and not any(one.returned for one in inner):
                continue
            returned = returned or leave.kind == "ret" or (bool(inner) and not after)
            work += after
        return Way(reached, returned, waited)

    def _through(self, callee: int, goal: At, closed: frozenset[At], known: dict[int, Way]) -> Way:
        """The ways through a function that is called."""
        found = known.get(callee)
        if found is None:
            known[callee] = Way()
            order = self.whole.code.function(callee).order
            found = known[callee] = self._ways(callee, order[:1], goal, closed, known)
        return found
