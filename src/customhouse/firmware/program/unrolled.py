"""Loops over a constant table that names for each entry who checks a value, and the key under which it is kept.

Of all entries together (`if (!row->valid(value)) return; set(row->key, value);`) it is not known which check goes with
which key. So such a loop is written out: the first rounds get blocks of their own, one round an entry, and the loop
itself is left for the rounds behind them.
"""

from typing import TYPE_CHECKING, Any

from .lift import Block, Exit
from .order import loop_order, natural_loops
from .recovery import Function
from .summary import Event
from .terms import ADDR, BYTE, GLOBAL, MERGE, OP, PHI, Terms

if TYPE_CHECKING:
    from .whole import Whole

_ROWS = 8
"""Entries of such a table, at most."""
_BLOCKS = 200
"""Blocks that are added to a function, at most."""
_DEPTH = 4
_ROUND = 1 << 50
"""How far the blocks of one round are from those of the one before: no code is as large."""


def unroll(whole: "Whole", event: Event) -> None:
    """Write out the loop that calls through an entry of a table, if it is such a one."""
    _, site, target, _arguments, address = event
    function = whole.code.function(address)
    entry = _entry(whole, target)
    rows = _rows(whole, entry) if entry is not None else 0
    if entry is None or not rows:
        return
    loops = natural_loops(function.successors, {one: index for index, one in enumerate(function.order)})
    for head in sorted(_heads(whole.terms, entry[1], address)):
        body = loops.get(head, set())
        if _keeps(function, head, body, site) and len(body) * rows <= _BLOCKS:
            write_out(function, head, body, rows)
            whole.terms.forget(address)
            return


def _heads(terms: Terms, term: int, function: int, level: int = 0) -> set[int]:
    """The joins of a function at which numbers are made that a term is computed from."""
    node = terms.nodes[term]
    if node[0] == PHI:
        return {node[2]} if node[1] == function else set()
    parts = node[2:] if node[0] == OP else node[1:2] if node[0] == ADDR else ()
    return set[int]().union(*(_heads(terms, one, function, level + 1) for one in parts)) if level < _DEPTH else set()


def _entry(whole: "Whole", target: int) -> tuple[Any, ...] | None:
    """The node of a field of an entry that a called pointer is read from, as it is read from the first entry on."""
    node = whole.terms.nodes[target]
    parts = [whole.terms.nodes[one] for one in node[1]] if node[0] == MERGE else [node]
    step = 2 * whole.terms.word
    if any(one[0] != BYTE or one[2] != GLOBAL or one[4] < step or one[4] != parts[0][4] for one in parts):
        return None
    first = min(parts, key=lambda one: int(one[3]))
    return first if whole.image.constant(first[3]) else None


def _rows(whole: "Whole", node: tuple[Any, ...]) -> int:
    """How many entries a table has; 0 when they are too many, or name one function."""
    named: list[int] = []
    for place in range(node[3], node[3] + (_ROWS + 1) * node[4], node[4]):
        value = whole.image.number(place, node[5])
        code = value & ~1 if whole.arm and value is not None else value
        if value is None or code is None or value < whole.terms.floor or not whole.image.executable(code):
            break
        named.append(value)
    return len(named) if len(named) <= _ROWS and len(set(named)) > 1 else 0


def _keeps(function: Function, head: int, body: set[int], site: int) -> bool:
    """Whether a loop goes on to another call behind that at a site, before its next round."""
    work = [one for one in body if function.blocks[one].exit.site == site and function.blocks[one].exit.kind == "icall"]
    if not work or head == function.order[0] or any(function.blocks[one].exit.kind == "ijump" for one in body):
        return False
    seen = set(work)
    while work:
        for one in function.successors.get(work.pop(), ()):
            if one in body and one not in seen and one != head:
                if function.blocks[one].exit.kind in ("call", "icall"):
                    return True
                seen.add(one)
                work.append(one)
    return False


def write_out(function: Function, head: int, body: set[int], rounds: int) -> None:
    """Give the first rounds of a loop blocks of their own."""
    before = [one for one, after in function.successors.items() if head in after and one not in body]
    inside = {one: (function.blocks[one], function.successors.get(one, ())) for one in body}
    for number in range(1, rounds + 1):
        places = {one: one + number * _ROUND for one in body}
        again = head + (number + 1) * _ROUND if number < rounds else head
        for one, (block, after) in inside.items():
            here = places | {head: again}
            function.blocks[places[one]] = _led(block._replace(address=places[one]), here)
            function.successors[places[one]] = tuple(here.get(way, way) for way in after)
            if one in function.tails:
                function.tails[places[one]] = function.tails[one]
    for one in before:
        first = {head: head + _ROUND}
        function.blocks[one] = _led(function.blocks[one], first)
        function.successors[one] = tuple(first.get(way, way) for way in function.successors[one])
    function.order = loop_order(function.order[0], function.blocks, function.successors)


def _led(block: Block, places: dict[int, int]) -> Block:
    """A block that leads elsewhere."""
    leave = block.exit
    target = places.get(leave.target, leave.target) if leave.kind in ("cond", "jump") else leave.target
    return block._replace(exit=Exit(leave.kind, leave.value, target, places.get(leave.next, leave.next), leave.site))
