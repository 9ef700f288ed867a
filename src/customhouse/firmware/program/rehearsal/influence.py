"""Which bytes that were sent a comparison depends on, and what they have to be for it to end otherwise.

A run is repeated with one byte changed at a time: what a comparison makes of that tells how much the byte counts.
Numbers are then solved for as if all of them were sums: after Choi and others, Eclipser, ICSE 2019.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .calls import signed
from .genomes import Genome, Repair, balanced
from .trace import Trace

_FIRST, _LAST = 40, 8
"""Bytes of a message that are changed: from its beginning on, and before its end."""
_NEAR = (0, 1, -1)
_MOST_BYTES = 4
"""Bytes of a number."""
_WITHIN = (0, 255)
_ROUNDS = (0, 256, 65536)
"""What a number may be larger by that is cut to one byte, or to two."""
_SUM, _SUMS = -1, 12
"""What stands for a checksum's number among those that are sought, and how often that is done at one comparison."""
_OFTEN = 2
"""How often one solution is sought for one comparison."""

Sought = dict[tuple[int, int], int]
"""How often a number was sought at a comparison."""


class _Weight(NamedTuple):
    """A byte of a message, and by how much the number changes with it."""

    piece: int
    at: int
    factor: int


def solved(genome: Genome, trace: Trace, play: Callable[[Genome], Trace | None], sought: Sought) -> Iterator[Genome]:
    """Neighbours of a genome with other outcomes of what its run compared, as far as single bytes tell. `play` gives
    nothing when time is over.
    """
    base = _by_site(trace)
    weights: defaultdict[tuple[int, int, bool], list[_Weight]] = defaultdict(list)
    for piece, message in genome.pieces():
        for at in _places(len(message)):
            step = -1 if message[at] in (255, ord("z"), ord("Z"), ord("9")) else 1
            other = genome.changed(piece, message[:at] + bytes([message[at] + step]) + message[at + 1 :])
            found = play(other)
            for key, change in _changes(base, _by_site(found)) if found else ():
                weights[key].append(_Weight(piece, at, change * step))
    for (site, index, is_second), parts in reversed(weights.items()):
        first, second, size = base[site][index]
        now, shall = (second, first) if is_second else (first, second)
        if (site, index, not is_second) in weights:
            continue
        if len(parts) > _MOST_BYTES:
            yield from _balanced(genome, parts[-1], base[site][index], site, is_second, sought)
            continue
        for near in _NEAR:
            number = (site, shall + near)
            if now == shall + near or sought.get(number, 0) >= _OFTEN:
                continue
            sought[number] = sought.get(number, 0) + 1
            missing = signed(shall + near - now, 8 * size)
            for round_ in _ROUNDS if max(now, shall) < _ROUNDS[1] else _ROUNDS[:1]:
                made = _with_sum(genome, parts, missing + round_)
                if made is not None:
                    yield made


def _balanced(
    genome: Genome, last: _Weight, pair: tuple[int, int, int], site: int, is_second: bool, sought: Sought
) -> Iterator[Genome]:
    """With a last byte that makes a number right which all bytes go into: a checksum."""
    first, second, _ = pair
    if first == second or max(first, second) > _WITHIN[1] or last.piece >= len(genome.messages):
        return
    if sought.get((site, _SUM), 0) >= _SUMS:
        return
    sought[site, _SUM] = sought.get((site, _SUM), 0) + 1
    message = genome.messages[last.piece]
    for balance in ("added" if last.factor > 0 else "subtracted", "xor"):
        repair = Repair(last.piece, last.at - len(message), 1, "big", site, is_second, balance)
        value = balanced(message[last.at], first, second, repair)
        made = genome.changed(last.piece, message[: last.at] + value + message[last.at + 1 :])
        yield made._replace(repairs=(*genome.repairs, repair))


def _places(size: int) -> list[int]:
    return list(range(size)) if size <= _FIRST + _LAST else [*range(_FIRST), *range(size - _LAST, size)]


def _by_site(trace: Trace) -> dict[int, list[tuple[int, int, int]]]:
    out: dict[int, list[tuple[int, int, int]]] = {}
    for site, first, second, size in trace.pairs:
        out.setdefault(site, []).append((first, second, size))
    return out


def _changes(
    base: dict[int, list[tuple[int, int, int]]], other: dict[int, list[tuple[int, int, int]]]
) -> Iterator[tuple[tuple[int, int, bool], int]]:
    """Which numbers changed, where as many were compared as before, and by how much."""
    for site, before in base.items():
        after = other.get(site, [])
        if len(after) != len(before) or after == before:
            continue
        for index, (one, two) in enumerate(zip(before, after, strict=True)):
            for place in (0, 1):
                if one[place] != two[place]:
                    yield (site, index, place == 1), signed(two[place] - one[place], 8 * one[2])


def _with_sum(genome: Genome, weights: list[_Weight], missing: int) -> Genome | None:
    """With bytes changed so that what they make together grows by what is missing; None where they cannot."""
    low, high = _WITHIN
    for one in sorted(weights, key=lambda one: -abs(one.factor)):
        message = genome.pieces()[one.piece][1]
        steps = min(max(_rounded(missing, one.factor), low - message[one.at]), high - message[one.at])
        genome = genome.changed(one.piece, message[: one.at] + bytes([message[one.at] + steps]) + message[one.at + 1 :])
        missing -= steps * one.factor
    return None if missing else genome


def _rounded(number: int, factor: int) -> int:
    """How often a factor goes into a number, without what is left."""
    times = abs(number) // abs(factor)
    return times if (number < 0) == (factor < 0) else -times
