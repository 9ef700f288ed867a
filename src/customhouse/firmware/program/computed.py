"""Terms computed as numbers, once what they are made of is given a value."""

from collections.abc import Callable
from typing import Any

from .fold import UNARY, binary, constant, unary
from .lift import BNOT, SELECT, ZEROS
from .terms import ADDR, CONST, OP, Terms

Given = Callable[[int, tuple[Any, ...]], int | None]
"""The value of a term that is no operation, with its node; None when it has none."""


def computed(terms: Terms, term: int, given: Given) -> int | None:
    """The term as a number; None when it depends on more than what is given."""
    node = terms.nodes[term]
    known = given(term, node)
    if known is not None or node[0] == CONST:
        return known if known is not None else int(node[1])
    if node[0] == ADDR and not node[3]:
        base = computed(terms, node[1], given)
        return None if base is None else (base + int(node[2])) & terms.mask
    if node[0] != OP:
        return None
    parts = [computed(terms, one, given) for one in node[2:]]
    if node[1] == SELECT and parts[0] is not None:
        return parts[1] if parts[0] else parts[2]
    numbers = [one for one in parts if one is not None]
    if len(numbers) < len(parts) or len(parts) > 2:
        return None
    if node[1] in UNARY:
        return terms.value(again(terms, node[1], [terms.const(one) for one in numbers]))
    return constant(node[1], numbers[0], numbers[-1], terms.word)


def again(terms: Terms, kind: int, parts: list[int]) -> int:
    """An operation of a term, done with other operands."""
    if kind == ZEROS:
        return unary(terms, kind, parts[0], (terms.value(parts[1]) or 0) // 8)
    if kind in UNARY:
        return unary(terms, kind, parts[0], 1 if kind == BNOT else terms.word)
    return binary(terms, kind, parts[0], parts[1], terms.word)
