"""Loops over a constant table that names for each entry who checks a value, and the key under which it is kept.

Of all entries together (`if (!row->valid(value)) return; set(row->key, value);`) it is not known which check goes with
which key. So such a loop is written out: the first rounds get blocks of their own, one round an entry, and the loop
itself is left for the rounds behind them.
"""

from collections.abc import Callable, Container, Iterable
from typing import TYPE_CHECKING, Any

from .lift import VIRTUAL, Block, Exit
from .order import loop_order, natural_loops
from .recovery import Function
from .summary import Event
from .terms import ADDR, BYTE, GLOBAL, MERGE, OP, PHI, Terms

if TYPE_CHECKING:
    from .whole import Whole

_ROWS = 16
"""Entries of such a table, at most."""
_GIVEN = 8
"""The same where a function gives one of them: of more different values of one pointer some would be forgotten."""
_BLOCKS = 200
"""Blocks that are added to a function, at most."""
_FORKED = 400
"""The same where what is done behind a call is written out: loops in it are there already."""
_DEPTH = 4
_WIDEST = 12
"""Words of the widest entry that is looked at."""
FORK = "fork"
"""The exit of a block that leads to another place for each entry that a call may have given."""
_ROUND = 1 << 48
"""How far the blocks of one round are from those of the one before: no code is as large."""


def unroll(whole: "Whole", event: Event) -> set[int]:
    """Write out the loop that calls through an entry of a table, if it is such a one, and other loops over the table:
    some put the first values under the same keys, or look for what is kept. Tells which functions have changed.
    """
    _, site, target, _arguments, address = event
    function = whole.code.function(address)
    entry = _entry(whole, target)
    rows = _rows(whole, entry, lambda one: whole.image.executable(whole.image.even(one))) if entry is not None else 0
    if entry is None or not rows:
        return set()
    whole.rows[entry[3], entry[4]] = rows
    if not whole.image.constant(entry[3]):
        _keep(whole, entry, rows)
    loops = natural_loops(function.successors, {one: index for index, one in enumerate(function.order)})
    for head in sorted(_heads(whole.terms, entry[1], address)):
        body = loops.get(head, set())
        round_ = body | _found(function, body, site)
        if _keeps(function, head, round_, site) and len(round_) * rows <= _BLOCKS:
            write_out(function, head, round_, rows)
            whole.terms.forget(address)
            return {address} | _others(whole, entry, rows)
    searches = {one for one in _all_heads(whole.terms, entry[1]) if one[0] != address}
    found = {one for one, head in sorted(searches) if _other(whole, one, head, rows)}
    return found | _others(whole, entry, rows) if found else set()


def tables(whole: "Whole", known: set[tuple[int, int]]) -> set[int]:
    """Write out the loops over tables that say for each entry where its value is kept; the functions that have them.
    `known` are tables that were looked at, by the first such place and the step.
    """
    changed = set[int]()
    word = whole.terms.word
    nodes = {one for one in whole.terms.nodes if one[0] == BYTE and one[2] == GLOBAL and one[5] == word}
    for node in sorted(nodes, key=lambda one: (one[3:], one[1])):
        if node[3:5] not in known:
            known.add(node[3:5])
            rows = _rows(whole, node, whole.image.varies) if node[4] >= 2 * word else 0
            if rows and (whole.image.constant(node[3]) or whole.store.kept(*node[3:6])):
                whole.rows[node[3], node[4]] = rows
                if not whole.image.constant(node[3]):
                    _keep(whole, node, rows)
                changed |= _others(whole, node, rows)
    return changed


def _keep(whole: "Whole", entry: tuple[Any, ...], rows: int) -> None:
    """Where values stand beside checks and keys in one table, what nobody writes to is as it was: the pointers to
    functions and to texts.
    """
    image, word = whole.image, whole.terms.word
    _, _, _, start, step, _ = entry
    for place in range(start - step + word, start + step, word):
        values = [image.number(one, word) or 0 for one in range(place, place + rows * step, step)]
        known = [one != 0 and (image.executable(image.even(one)) or image.constant(one)) for one in values]
        if any(known) and all(known[: rows - 1]) and whole.store.kept(place, step, word):
            cells = [(one, one + word) for one in range(place, place + rows * step, step)]
            whole.kept[place, step, word] = cells
            image.constant_ranges.extend(cells)


def release(whole: "Whole") -> bool:
    """Take back what was said of fields that a store goes to after all, where it was not known yet; whether there are
    such.
    """
    written = [field for field in whole.kept if not whole.store.kept(*field)]
    for field in written:
        for cell in whole.kept.pop(field):
            whole.image.constant_ranges.remove(cell)
    return bool(written)


def _other(whole: "Whole", address: int, head: int, rows: int) -> bool:
    """Write out another loop over a table, if it does something with its entries; whether it does."""
    function = whole.code.function(address)
    loops = natural_loops(function.successors, {one: index for index, one in enumerate(function.order)})
    body = loops.get(head, set())
    if not body or len(body) * rows > _BLOCKS or head == function.order[0]:
        return False
    if rows > _GIVEN:
        return False
    body = body | _behind(function, body, _BLOCKS // rows - len(body))
    if not any(_calls(function, one) for one in body):
        return False
    if _switches(function, body) or any(one + _ROUND in function.blocks for one in body):
        return False
    write_out(function, head, body, rows)
    whole.terms.forget(address)
    return True


def _others(whole: "Whole", entry: tuple[Any, ...], rows: int) -> set[int]:
    """Write out the other loops over a table; the functions that have them."""
    start, step = entry[3:5]
    places = {
        node[1]
        for node in whole.terms.nodes
        if node[0] == BYTE and node[2] == GLOBAL and node[4] == step and abs(node[3] - start) < step
    }
    heads = {one for place in places for one in _all_heads(whole.terms, place)}
    return {address for address, head in sorted(heads) if _other(whole, address, head, rows)}


def _switches(function: Function, body: set[int]) -> bool:
    """Whether blocks lead on through a table of places."""
    return any(function.blocks[one].exit.kind == "ijump" and function.successors.get(one) for one in body)


def _heads(terms: Terms, term: int, function: int) -> set[int]:
    """The joins of a function at which numbers are made that a term is computed from."""
    return {head for address, head in _all_heads(terms, term) if address == function}


def _all_heads(terms: Terms, term: int, level: int = 0) -> set[tuple[int, int]]:
    """The same of any functions, with these."""
    node = terms.nodes[term]
    if node[0] == PHI:
        return {node[1:3]}
    parts = node[2:] if node[0] == OP else node[1:2] if node[0] == ADDR else ()
    return (
        set[tuple[int, int]]().union(*(_all_heads(terms, one, level + 1) for one in parts)) if level < _DEPTH else set()
    )


def _entry(whole: "Whole", target: int) -> tuple[Any, ...] | None:
    """The node of a field of an entry that a called pointer is read from, as it is read from the first entry on."""
    node = whole.terms.nodes[target]
    parts = [whole.terms.nodes[one] for one in node[1]] if node[0] == MERGE else [node]
    step = 2 * whole.terms.word
    if any(one[0] != BYTE or one[2] != GLOBAL or one[4] < step or one[4] != parts[0][4] for one in parts):
        return None
    first = min(parts, key=lambda one: int(one[3]))
    return first if whole.image.constant(first[3]) or whole.store.kept(*first[3:6]) else None


def _rows(whole: "Whole", node: tuple[Any, ...], fits: Callable[[int], bool]) -> int:
    """How many entries a table has by one of their fields; 0 when they are too many, or all the same there."""
    named: list[int] = []
    for place in range(node[3], node[3] + (_ROWS + 1) * node[4], node[4]):
        value = whole.image.number(place, node[5])
        if value is None or value < whole.terms.floor or not fits(value):
            break
        named.append(value)
    return len(named) if len(named) <= _ROWS and len(set(named)) > 1 else 0


def _found(function: Function, body: set[int], site: int) -> set[int]:
    """Blocks behind a loop to which nothing leads but the ways out of it that call at a site: what is done with the
    entry that was looked for.
    """
    after = function.successors
    ways = _left(function, body)
    calls = [one for one, block in function.blocks.items() if block.exit.site == site and block.exit.kind == "icall"]
    found = {
        (one, way) for one, way in ways if _reached(after, [way]) & set(calls) or one in _reached(after, calls, body)
    }
    return _only(function, found) - body


def _behind(function: Function, body: set[int], most: int) -> set[int]:
    """The same of a loop that calls nothing by an entry: what calls something, where a way out leads to no more than so
    many blocks.
    """
    out = set[int]()
    for way in sorted({way for _, way in _left(function, body)}):
        region = _only(function, {edge for edge in _left(function, body) if edge[1] == way}) - body
        if any(_calls(function, one) for one in region) and len(out | region) <= most:
            out |= region
    return out


def _calls(function: Function, block: int) -> bool:
    return function.blocks[block].exit.kind in ("call", "icall") or block in function.tails


def _left(function: Function, body: set[int]) -> set[tuple[int, int]]:
    """The ways out of a loop."""
    return {(one, way) for one in body for way in function.successors.get(one, ()) if way not in body}


def _only(function: Function, ways: set[tuple[int, int]]) -> set[int]:
    """The blocks to which nothing leads but some ways."""
    others = _reached(function.successors, [function.order[0]], without=ways)
    return _reached(function.successors, [way for _, way in ways]) - others


def _reached(
    after: dict[int, tuple[int, ...]],
    begun: Iterable[int],
    inside: Container[int] | None = None,
    without: Container[tuple[int, int]] = (),
) -> set[int]:
    """The blocks that lie on ways from others."""
    work = [one for one in begun if inside is None or one in inside]
    seen = set(work)
    while work:
        one = work.pop()
        for way in after.get(one, ()):
            if way not in seen and (one, way) not in without and (inside is None or way in inside):
                seen.add(way)
                work.append(way)
    return seen


def _keeps(function: Function, head: int, body: set[int], site: int) -> bool:
    """Whether a loop goes on to another call behind that at a site, before its next round."""
    work = [one for one in body if function.blocks[one].exit.site == site and function.blocks[one].exit.kind == "icall"]
    if not work or head == function.order[0] or _switches(function, body):
        return False
    seen = set(work)
    while work:
        for one in function.successors.get(work.pop(), ()):
            if one in body and one not in seen and one != head:
                if _calls(function, one):
                    return True
                seen.add(one)
                work.append(one)
    return False


def distance(address: int) -> int:
    """How far a block is from the one that it was written out of."""
    return address % VIRTUAL // _ROUND * _ROUND


def write_out(function: Function, head: int, body: set[int], rounds: int) -> None:
    """Give the first rounds of a loop blocks of their own."""
    before = [one for one, after in function.successors.items() if head in after and one not in body]
    inside = {one: (function.blocks[one], function.successors.get(one, ())) for one in body}
    for number in range(1, rounds + 1):
        places = {one: one + number * _ROUND for one in body}
        again = head + (number + 1) * _ROUND if number < rounds else head
        for one, (block, after) in inside.items():
            _copy(function, block, after, places[one], places | {head: again})
    for one in before:
        first = {head: head + _ROUND}
        function.blocks[one] = _led(function.blocks[one], first)
        function.successors[one] = tuple(first.get(way, way) for way in function.successors[one])
    function.order = loop_order(function.order[0], function.blocks, function.successors)


def _copy(function: Function, block: Block, after: tuple[int, ...], place: int, places: dict[int, int]) -> None:
    """Put a block to another place, from where it leads to other places."""
    function.blocks[place] = _led(block._replace(address=place), places)
    function.successors[place] = tuple(places.get(way, way) for way in after)
    if block.address in function.tails:
        function.tails[place] = function.tails[block.address]


def fork(whole: "Whole", address: int, site: int, targets: set[int]) -> bool:
    """Write out what is done with an entry that a function found, once for each that it may be: of all together it is
    not known which check goes with which key. `targets` are called at the site.
    """
    function = whole.code.function(address)
    calls = {one for one, block in function.blocks.items() if block.exit.site == site and block.exit.kind == "icall"}
    for begun in function.order:
        after = function.successors.get(begun, ())
        called = whole.called.get((address, function.blocks[begun].exit.site), {})
        rows = _given(whole, next(iter(called)), targets) if len(called) == 1 and len(after) == 1 else 0
        if not rows:
            continue
        others = _reached(function.successors, [function.order[0]], without={(begun, after[0])})
        region = _reached(function.successors, after) - others
        if calls <= region and len(region) * rows <= _FORKED and not _switches(function, region):
            _write_forks(whole, function, begun, region, rows)
            return True
    return False


def _given(whole: "Whole", function: int, targets: set[int]) -> int:
    """How many entries of a table a function gives in which the targets stand; 0 when it is no such function."""
    summary, image, word = whole.summaries.get(function), whole.image, whole.terms.word
    values = {whole.terms.value(one) for one, _ in summary.returns} if summary is not None else set()
    places = [one for one in values if one is not None and one >= whole.terms.floor and image.constant(one)]
    if not 1 < len(places) <= _GIVEN:
        return 0
    fields = [{image.number(one + at, word) for one in places} for at in range(0, _WIDEST * word, word)]
    return len(places) if targets in fields else 0


def _write_forks(whole: "Whole", function: Function, begun: int, region: set[int], rows: int) -> None:
    """Give what lies behind a call blocks of its own for each of its results."""
    (first,) = function.successors[begun]
    inside = {one: (function.blocks[one], function.successors.get(one, ())) for one in region}
    away = max(map(distance, region)) + _ROUND  # what lies there may have been written out itself
    for number in range(1, rows + 1):
        places = {one: one + number * away for one in region}
        for one, (block, after) in inside.items():
            _copy(function, block, after, places[one], places)
    place = first + (rows + 1) * away
    result = whole.lifter.registers[whole.lifter.convention.result]
    function.blocks[place] = Block(place, [], [], Exit(FORK, result, next=first), place)
    function.successors[place] = (first, *(first + number * away for number in range(1, rows + 1)))
    function.blocks[begun] = _led(function.blocks[begun], {first: place})
    function.successors[begun] = (place,)
    function.order = loop_order(function.order[0], function.blocks, function.successors)
    whole.terms.forget(function.address)


def _led(block: Block, places: dict[int, int]) -> Block:
    """A block that leads elsewhere."""
    leave = block.exit
    target = places.get(leave.target, leave.target) if leave.kind in ("cond", "jump") else leave.target
    return block._replace(exit=Exit(leave.kind, leave.value, target, places.get(leave.next, leave.next), leave.site))
