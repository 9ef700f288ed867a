"""The word that a packet must begin with, from the comparisons that hold on the way to the sink."""

import re
from collections.abc import Iterable
from typing import Literal

from .state import Fact
from .whole import Whole

_SHORTEST = 3
_READABLE = re.compile(rb"[ -~]{3,}")


def magic_of(whole: Whole, facts: Iterable[Fact]) -> str:
    """The compared constant, rebuilt from words where the compiler made word loads of it; empty when there is none."""
    facts = list(facts)
    found = [(text, True) for text in _words(whole, facts)]
    for fact in facts:
        if fact[0] == "eq" and len(str(fact[2])) >= 2:
            # the head of a packet is at a fixed place; words that a parser looks for further in are not
            found.append((str(fact[2]), all(not stride for _, _, stride in whole.terms.locate(fact[1]))))
    return max(found, key=lambda one: (one[1], len(one[0]), one[0]), default=("", False))[0]


def _words(whole: Whole, facts: Iterable[Fact]) -> list[str]:
    cells: dict[object, dict[int, bytes]] = {}
    order: Literal["big", "little"] = "big" if whole.image.big else "little"
    # of words at one place the widest counts
    for _, root, offset, size, value in sorted((one for one in facts if one[0] == "word"), key=lambda one: one[1:]):
        raw = (int(value) & ((1 << (8 * int(size))) - 1)).to_bytes(int(size), order)
        cells.setdefault(root, {})[int(offset)] = raw
    out = []
    for parts in cells.values():
        run = b""
        end = None
        for offset in sorted(parts):
            if end is not None and offset < end:
                raw = parts[offset][end - offset :]
            elif offset == end or end is None:
                raw = parts[offset]
            else:
                out.append(run)
                run, raw = b"", parts[offset]
            run += raw
            after = offset + len(parts[offset])
            end = after if end is None else max(end, after)
        out.append(run)
    # numbers stand beside the text (a state, a length): what can be read counts; a blank that ends a word was compared
    texts = [text.decode("ascii") for one in out for text in _READABLE.findall(one)]
    return [text.lstrip() for text in texts if len(text.strip()) >= _SHORTEST]
