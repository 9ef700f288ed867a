"""Numbers of copying loops that are bounded otherwise than by where the loop ends.

Those of a ring begin anew, those of a byte after 255, and where a copy begins may have been tested together with how
long it is.
"""

from . import bounds
from .lift import DIV, MUL, SHL, SHR
from .moving import Moving
from .state import State
from .terms import OP, Terms

BYTES = 256
"""Values of a byte."""
_DEPTH = 4


def compares(moving: Moving, number: int, head: int, left: int, right: int) -> bool:
    """Whether a number that moves is compared with one of more than one, or with what is not a number."""
    parts, plus = moving.terms.linear(left)
    more, constant = moving.terms.linear(right, -1)
    for one, count in more.items():
        parts[one] = parts.get(one, 0) + count
    parts, plus = moving.led(parts, plus + constant, head)
    return bool(parts.pop(number, 0)) and (any(parts.values()) or abs(plus) > 1)


def is_byte(terms: Terms, address: int, moving: int) -> bool:
    """Whether only the lowest byte of what moves is added to where a copy goes: `ring[head++ & 255]`."""
    parts, _ = terms.linear(address)
    taken = (terms.linear(one)[0] for one in terms.bytes)
    return any(moving in one and one.keys() <= parts.keys() for one in taken)


def together(terms: Terms, state: State, target: int, size: int) -> bool:
    """Whether a test was of where a copy begins in its target and of how long it is: `first + count <= 64`."""
    begun, length = _factors(terms, target), _factors(terms, size)
    tested = [set(terms.linear(one)[0]) for one, (_low, high) in state.ranges.items() if high < bounds.HUGE]
    for fact in state.facts:
        if fact[0] == "most":
            tested.append({*terms.linear(fact[1])[0], *terms.linear(fact[2])[0]})
    return any(begun & parts and length & parts for parts in tested)


def _factors(terms: Terms, term: int, level: int = 0) -> set[int]:
    """The numbers that a sum is made of, and what they are multiples or parts of."""
    out = set(terms.linear(term)[0])
    for node in [terms.nodes[one] for one in out] if level < _DEPTH else ():
        if node[0] == OP and node[1] in (MUL, SHL, DIV, SHR):
            out |= _factors(terms, node[2], level + 1)
    return out
