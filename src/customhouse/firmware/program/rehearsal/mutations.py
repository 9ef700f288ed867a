"""What else could be sent, told by what a run compared: the program itself says which words and numbers it looks for.

"Input-to-state correspondence": Aschermann and others, REDQUEEN, NDSS 2019.
"""

import re
from collections.abc import Iterator
from itertools import islice

from .comparing import span
from .figures import choices, counted, numbers, sizes
from .forms import CODES, FIELD, LONGEST_WORD, NAMES, VALUES, WORD
from .genomes import Genome, marker, spots
from .trace import Trace

_NEEDLE = 64
"""Bytes of a word that is put in."""
_FIELDS = 24
"""Fields that are added together."""
_MESSAGES = 12
"""Sessions that are joined."""
_LINES = 30
_PARTED = re.compile(rb"[;&,|? ]?[^;&,|? \r\n]+")
_MOST_PARTS = 24
_HEAD = re.compile(rb"(?s)((?:.{0,10}[^\t\n\r -~])?)")
"""Bytes before the text of a packet: up to the last one that is no letter."""
_LEAST_CODED = 3
_CODE_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
_FEW_LINES = 6
"""Lines of a message that are left out one by one, and that get one more word."""
NOT_WORDS = frozenset(("find", "number", "address", "form"))
"""Kinds of comparisons that are none of two texts."""
Words = dict[int, set[bytes]]
"""Texts that were compared at one place of the program, by the place."""


def mutants(
    genome: Genome,
    trace: Trace,
    words: Words,
    others: list[Genome],
    more: tuple[tuple[Iterator[Genome], int], ...] = (),
) -> Iterator[Genome]:
    """Neighbours of a genome, those first that its run asked for. `words` and `others` (genomes) grow meanwhile. Some
    of `more` are among them.
    """
    streams = (
        *more,
        (_completed(genome, trace), 1),
        (_texts(genome, trace), 3),
        (_missed(genome, trace), 2),
        (_formed(genome, trace), 2),
        (_coded(genome, trace), 2),
        (numbers(genome, trace), 2),
        (sizes(genome, trace), 1),
        (counted(genome, trace), 1),
        (choices(genome, trace), 1),
        (_values(genome), 2),
        (_more_words(genome), 1),
        (_siblings(genome, trace, words), 1),
        (_joined(genome, others), 1),
        (shorter(genome), 1),
        (_without_parts(genome), 1),
    )
    left = list(streams)
    while left:
        for stream, count in list(left):
            found = list(islice(stream, count))
            yield from found
            if len(found) < count:
                left.remove((stream, count))


def _more_words(genome: Genome) -> Iterator[Genome]:
    """Lines with one more word: who takes a line apart word by word does not say that one is missing."""
    made_up = marker(genome)
    for number, message in enumerate(genome.messages):
        lines = message.split(b"\n")
        for at, line in enumerate(lines[:_FEW_LINES]):
            text = line.rstrip(b" \r")
            for word in (made_up, b"7", b"1") if text and len(text) < LONGEST_WORD else ():
                changed = [*lines[:at], text + b" " + word + line[len(text) :].lstrip(b" "), *lines[at + 1 :]]
                yield genome.changed(number, b"\n".join(changed))


def shorter(genome: Genome) -> Iterator[Genome]:
    """Without one of the messages, or one of the lines."""
    for number, message in enumerate(genome.messages):
        if len(genome.messages) > 1:
            rest = tuple(one for index, one in enumerate(genome.messages) if index != number)
            yield genome._replace(messages=rest, repairs=())
        lines = message.split(b"\n")
        for at in range(len(lines)) if 1 < len(lines) < _LINES else ():
            yield genome.changed(number, b"\n".join(lines[:at] + lines[at + 1 :]))


def _without_parts(genome: Genome) -> Iterator[Genome]:
    """Without one of the parts of a line."""
    for number, message in genome.pieces():
        parts = list(_PARTED.finditer(message))
        for part in parts if 1 < len(parts) <= _MOST_PARTS else ():
            yield genome.changed(number, message[: part.start()] + message[part.end() :])


def framed(genome: Genome, texts: list[bytes]) -> Iterator[Genome]:
    """Texts behind the head that a packet was found to have, which may say how long they are."""
    found = _HEAD.match(genome.messages[0]) if len(genome.messages) == 1 else None
    head = found[1] if found else b""
    for text in texts if head else ():
        yield genome.changed(0, head + text)
        for width in (4, 2, 1):
            for order in ("big", "little") if width > 1 else ("big",):
                if width <= len(head) and not len(text) >> 8 * width:
                    yield genome.changed(0, head[:-width] + len(text).to_bytes(width, order) + text)


def _completed(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """With all the fields that were looked for in vain."""
    names: dict[int, list[bytes]] = {}
    found = {(one.site, one.right) for one in trace.comparisons if one.left == one.right}
    needles = []
    for site, kind, left, right in trace.comparisons:
        if kind == "find":
            if 2 < len(right) < _NEEDLE and right not in needles:
                needles.append(right)
        elif kind not in NOT_WORDS and left != right and 1 < len(right) < _NEEDLE and (site, right) not in found:
            known = names.setdefault(site, [])
            if right not in known and any(left[: len(right)] in piece for _, piece in genome.pieces()):
                known.append(right)
    for fields in (*names.values(), needles):
        for number, message in genome.pieces() if 1 < len(fields) <= _FIELDS else ():
            yield from (genome.changed(number, one) for one in _with_fields(message, fields, fields is needles))


def _with_fields(message: bytes, names: list[bytes], raw: bool) -> Iterator[bytes]:
    """A message with more fields, in the form that its own have."""
    pairs = [(name, NAMES[index % len(NAMES)]) for index, name in enumerate(names)]
    text = message.rstrip(b"\r\n")
    end = message[len(text) :]
    if raw:
        yield text + b"".join(name + value for name, value in pairs) + end
        yield text + b"".join(name + b'"' + value + b'",' for name, value in pairs) + end
    elif b'":' in text:
        at = text.rfind(b"}") if b"}" in text else len(text)
        yield text[:at] + b"".join(b',"' + name + b'":"' + value + b'"' for name, value in pairs) + text[at:] + end
    elif b"=" in text:
        marks = [one[1] for one in FIELD.finditer(text) if one[1] not in (b"", b"?")]
        between = marks[-1] if marks else b"\n" if b"\n" in text and b"\r\n\r\n" not in text else b"&"
        more = between + between.join(name + b"=" + value for name, value in pairs)
        yield text + more + end
        head, mark, rest = text.partition(b" HTTP/")
        if mark and b"?" in head:
            yield head + more + mark + rest + end
    elif b"</" in text:
        yield text + b"".join(b"<" + name + b">" + value + b"</" + name + b">" for name, value in pairs) + end
    else:
        yield text + b"".join(b"\n" + name + b" " + value for name, value in pairs) + b"\n"
        yield text + b" " + b" ".join(name + b"=" + value for name, value in pairs) + end


def _siblings(genome: Genome, trace: Trace, words: Words) -> Iterator[Genome]:
    """In the place of a word that was known those that are known at the same place of the program."""
    for site, kind, left, right in reversed(trace.comparisons):
        if kind in NOT_WORDS or left != right or not left:
            continue
        for word in sorted(words.get(site, ())):
            for number, piece in genome.pieces() if word != left else ():
                for at in spots(piece, left):
                    yield genome.changed(number, piece[:at] + word + piece[at + len(left) :])


def _joined(genome: Genome, others: list[Genome]) -> Iterator[Genome]:
    """What another genome sends behind it, in the same session and in one of its own."""
    for other in reversed(others):
        if other is genome or other.cgi != genome.cgi or not genome.messages or not other.messages:
            continue
        if len(genome.messages) + len(other.messages) <= _MESSAGES:
            for first, second in ((genome, other), (other, genome)):
                yield spliced([first, second], False)
                if not genome.cgi:
                    yield first.and_then(second)


def spliced(genomes: list[Genome], apart: bool) -> Genome:
    """The first messages of genomes as one message, or (`apart`) all of them one after the other."""
    first, *rest = genomes
    for other in rest:
        if apart:
            first = first.and_then(other)
            continue
        one, two = first.messages[0], other.messages[0]
        between = b"&" if b"=" in one and b"=" in two and not one.endswith((b"\n", b"&")) and b" " not in one else b""
        first = first.changed(0, one + between + two)
    return first


def _texts(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """Where a text that was compared stands in what was sent: the text that it was compared with."""
    for _, kind, left, right in reversed(trace.comparisons):
        if kind in NOT_WORDS or left == right:
            continue
        for is_now, shall in ((left, right), (right, left)):
            if not is_now or (len(is_now) > 200 and kind == "text"):
                continue
            for number, piece in genome.pieces():
                for at in spots(piece, is_now):
                    yield genome.changed(number, piece[:at] + shall + piece[at + len(is_now) :])
                    if kind in ("prefix", "case prefix") or not shall:
                        yield genome.changed(number, piece[:at] + shall + piece[at:])
            if kind in ("prefix", "case prefix") and len(is_now) > len(shall):
                for number, piece in genome.pieces():
                    for at in spots(piece, is_now[: len(shall)]):
                        yield genome.changed(number, piece[:at] + shall + piece[at + len(shall) :])


def _missed(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """Where something was looked for in vain: the same with it, and a value behind it."""
    made_up = marker(genome)
    for _, kind, left, right in reversed(trace.comparisons):
        if kind != "find" or not right or len(right) > _NEEDLE:
            continue
        for number, piece in genome.pieces():
            found = piece.find(left[:24]) if left else len(piece)
            if found < 0:
                continue
            end = min(found + len(left), len(piece)) if len(left) < 300 else len(piece)
            for at in dict.fromkeys((end, found, found + (end - found) // 2)):
                yield genome.changed(number, piece[:at] + right + made_up + piece[at:])
            yield genome.changed(number, piece[:found] + right + piece[found:])
            yield genome.changed(number, piece + right)
            yield genome.changed(number, piece[:found] + made_up + right + made_up + piece[end:])


def _coded(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """The same of texts that were sent in a code: what the program compares is not what was sent."""
    made_up = marker(genome)
    for _, kind, left, right in reversed(trace.comparisons):
        if kind in ("number", "address", "form") or len(left) < _LEAST_CODED or left == right:
            continue
        texts = (left + right + made_up, made_up + right + made_up) if kind == "find" else (right,)
        for number, piece in genome.pieces():
            for code in CODES if left not in piece else ():
                at = piece.find(code(left[: len(left) // 3 * 3]))
                end = at + span(piece[at:], lambda one: one in _CODE_LETTERS)
                for text in texts if at >= 0 else ():
                    yield genome.changed(number, piece[:at] + code(text) + piece[end:])


def _formed(genome: Genome, trace: Trace) -> Iterator[Genome]:
    """In the place of a text that a template did not take apart one that it does, and a number where one was read."""
    for _, kind, left, right in reversed(trace.comparisons):
        if kind == "number" and not left.strip()[:1].isdigit():
            word = WORD.match(left)
            line, shall = word[0] if word else b"", b"7"
        elif kind == "form":
            line, shall = left.split(b"\n")[0].rstrip(b"\r"), right
        else:
            continue
        for number, piece in genome.pieces():
            for at in spots(piece, line) if line else (0, len(piece)):
                yield genome.changed(number, piece[:at] + shall + piece[at + len(line) :])


def _values(genome: Genome) -> Iterator[Genome]:
    """Other forms in the place of a word that was made up."""
    for number, piece in genome.pieces():
        for word in (*NAMES, *VALUES):
            at = piece.find(word) if len(word) > 2 else -1
            if at >= 0:
                for value in VALUES:
                    if value != word:
                        yield genome.changed(number, piece[:at] + value + piece[at + len(word) :])
