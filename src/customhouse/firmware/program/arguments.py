"""Arguments of a function that takes any number of them, as they lie behind its `va_list`: the layout is the
platform's (System V ABI for x86-64, AAPCS64, and a plain pointer elsewhere).
"""

from .memory import Memory
from .state import State


def listed(memory: Memory, state: State, architecture: str, pointer: int, count: int) -> tuple[int, ...]:
    """The first `count` arguments of the list at `pointer`."""
    terms = memory.terms
    word, load, add = terms.word, memory.load, terms.add
    if architecture == "x86_64":
        saved = load(state, add(pointer, 16), word)
        more = load(state, add(pointer, 8), word)
        start = terms.value(load(state, pointer, 4))
        at, split = 48 if start is None else start, 48
    elif architecture == "arm64":
        saved = load(state, add(pointer, 8), word)
        more = load(state, pointer, word)
        start = terms.value(load(state, add(pointer, 24), 4))
        at, split = 0 if start is None else start - (1 << 32 if start >> 31 else 0), 0
    else:
        return tuple(load(state, add(pointer, word * index), word) for index in range(count))
    spots = [at + 8 * index for index in range(count)]
    return tuple(load(state, add(saved, one) if one < split else add(more, one - split), word) for one in spots)
