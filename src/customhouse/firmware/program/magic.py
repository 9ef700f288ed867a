"""The words that a packet must have, from the comparisons that hold on all ways to the sink."""

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Literal, NamedTuple

import msgspec

from customhouse.model import JOINT, Flow

from .answers import FINDERS
from .asked import WORD, Key, Words, both, told
from .before import Before
from .carried import Carried
from .dispatched import Chain
from .needed import Needed
from .state import Content, Fact
from .terms import DERIVED, RESULT
from .whole import Whole

_SHORTEST = 2
_READABLE = re.compile(rb"[ -~]{3,}")
_MOST = 8
_LONGEST = 64
_BYTE = 256
_WIDE = 4
_Place = tuple[int, int]


class _Run(NamedTuple):
    """Bytes of an object that are known."""

    root: int
    start: int
    data: bytes


class Way(NamedTuple):
    """One way on which bytes come to a sink: the flow, and what its words are found by."""

    flow: Flow
    facts: frozenset[Fact]
    chain: Chain
    content: Content
    origin: int


class Magics:
    """The magics of one program. `heard` tells whether a text is made of bytes from outside."""

    def __init__(self, whole: Whole, heard: Callable[[Content], bool]) -> None:
        self.whole = whole
        self.terms = whole.terms
        self.heard = heard
        self.needed = Needed(whole)
        self.before = Before(self.needed, whole.store)
        self._carried: dict[int, Carried] = {}

    def named(self, ways: list[Way]) -> list[Flow]:
        """The flows of several ways to one sink, with the words that are asked on all of them; where there are none,
        each with its own.
        """
        told = [self.of(one.facts, one.chain, one.content, one.origin) for one in ways]
        shared = [word for word in told[0] if all(word in words for words in told)]
        return [
            msgspec.structs.replace(one.flow, magic=JOINT.join(shared or words))
            for one, words in zip(ways, told, strict=True)
        ]

    def of(self, facts: Iterable[Fact], chain: Chain, content: Content, origin: int) -> list[str]:
        """The words that are asked of what is received before bytes of one call become a part of a command, in the
        order in which they are asked.
        """
        carried = self._carried.get(origin)
        if carried is None:
            carried = self._carried[origin] = Carried(self.before, origin)
        words = both(carried.by(chain, content), self.needed.closed(self.needed.along(chain)))
        return self._few(self._texts(both(words, told(facts))))

    def _few(self, found: list[str]) -> list[str]:
        """Each once, and nothing that another one has in it."""
        out: list[str] = []
        for one in dict.fromkeys(found):
            if not any(one in other for other in out):
                out = [other for other in out if other not in one]
                out.append(one)
        return out[:_MOST]

    def _texts(self, words: Words) -> list[str]:
        runs = self._words(key for key in words if key[0] == WORD)
        out: list[str] = []
        for key, pointers in words.items():
            if key[0] == WORD:
                here = [one for one in runs if one.root == key[1] and one.start <= key[2] < one.start + len(one.data)]
                runs = [one for one in runs if one not in here]
                out += [text for one in here for text in self._read(one)]
            elif self._least(pointers) <= len(key[1].strip()) <= _LONGEST and self._is_heard(key[1], pointers):
                out.append(key[1].strip("\r\n"))
        return out

    def _least(self, pointers: frozenset[int]) -> int:
        """How long a word must be: what is searched for may stand anywhere, and a mark between words is none."""
        found = (self.terms.nodes[one] for one in pointers)
        answers = (self.terms.nodes[one[2]] if one[0] == DERIVED else one for one in found)
        return _SHORTEST + any(one[0] == RESULT and one[2] in FINDERS for one in answers)

    def _is_heard(self, word: str, pointers: frozenset[int]) -> bool:
        """Whether what was looked at can be bytes from outside, as far as that is known, and no word that the program
        itself puts there.
        """
        return not pointers or any(self._may_be(word, one) for one in pointers)

    def _may_be(self, word: str, pointer: int) -> bool:
        if self.terms.open[pointer]:
            return True
        places = self.terms.locate(pointer)
        if any(self._is_own(word, *base) for one in places for base in self.whole.store.bases(*one)):
            return False
        return any(self.heard(Content(frozenset({("T", *one, 0)}), "%s")) for one in places)

    def _is_own(self, word: str, base: int, offset: int, stride: int) -> bool:
        """Whether the program itself puts the word there."""
        held = [text for _, _, text in self.whole.store.holding(base, offset, stride)]
        read = {dep[1] for text in held for dep in text.deps if dep[0] == "X"}
        return any(not text.deps and text.template == word for text in held) or any(
            word in text.template for one in read for text in self._sent(one)
        )

    def _sent(self, read: int) -> list[Content]:
        """What the program itself writes to where a call reads."""
        node, store = self.terms.nodes[read], self.whole.store
        mine = store.channels(node[3][0]) if node[3] else frozenset()
        return [text for descriptor, text, _ in store.outs if mine and store.channels(descriptor) & mine]

    @cached_property
    def _received(self) -> frozenset[_Place]:
        """Where packets are received: texts that are nothing but what calls give."""
        texts = [event for event in self.whole.events if event[0] == "text" and event[3] < _SHORTEST]
        return frozenset((event[1], event[2]) for event in texts if self._brings(event[4]))

    def _brings(self, content: Content) -> bool:
        direct = all(dep[0] == "X" and not self._sent(dep[1]) for dep in content.deps)
        return direct and content.template == "%s" and bool(content.deps) and self.heard(content)

    def _words(self, keys: Iterable[Key]) -> list[_Run]:
        """What words in memory are found to be, with those that lie side by side as one."""
        order: Literal["big", "little"] = "big" if self.whole.image.big else "little"
        values: dict[tuple[int, int, int], set[int]] = {}
        for _, root, offset, size, value in keys:
            values.setdefault((root, offset, size), set()).add(int(value))
        cells: dict[int, dict[int, bytes]] = {}
        # of words at one place the widest counts; where it may be one or the other, neither is a must
        for (root, offset, size), (value, *others) in sorted(values.items()):
            known = 1 if value < _BYTE and size >= _WIDE else size
            if not others and (known == size or order == "little"):  # a byte that lies in a wider cell
                cells.setdefault(root, {})[offset] = (value & ((1 << (8 * size)) - 1)).to_bytes(size, order)[:known]
        return [_Run(root, *run) for root, parts in cells.items() for run in _runs(parts)]

    def _read(self, run: _Run) -> list[str]:
        """The head of a packet is told whole. Elsewhere numbers stand beside the text (a state, a length): what can be
        read counts, with a blank that ends a word.
        """
        if self._is_head(*run):
            text = run.data.decode("latin-1")
            ended = text.rstrip("\0")
            return [ended if ended.isprintable() else text]
        places = self.whole.store.bases(run.root, run.start, 0)
        found = [match.group().decode("ascii").lstrip() for match in _READABLE.finditer(run.data)]
        long = [text for text in found if len(text.strip()) > _SHORTEST]
        return [text for text in long if not any(self._is_own(text, *place) for place in places)]

    def _is_head(self, root: int, start: int, run: bytes) -> bool:
        """Whether it is what a packet begins with, or further on so much of it that it is no length or state."""
        if (root, start) in self._received:
            return any(run)
        inside = any(one == root and at < start for one, at in self._received)
        return inside and len(run) - run.count(0) >= _WIDE - 1 and len(run) >= _WIDE


def _runs(parts: dict[int, bytes]) -> list[tuple[int, bytes]]:
    """Words that lie side by side as one, each with where it begins."""
    out: list[tuple[int, bytes]] = []
    for offset in sorted(parts):
        start, run = out[-1] if out else (offset, b"")
        end = start + len(run)
        if offset > end:
            out.append((offset, parts[offset]))
        elif out:
            out[-1] = (start, run + parts[offset][end - offset :])
        else:
            out.append((start, parts[offset]))
    return out
