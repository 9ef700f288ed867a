"""Models of what takes texts apart: strtok, strsep, strchr, sscanf."""

from .. import bytesets, duplicates, quoting
from ..formats import conversions
from ..names import CONSUMED, NUMBER_END
from ..state import Content, Dep, kept
from ..terms import DERIVED
from .called import Actions, Call

STRTOK_CELL = 0xF7FFFF00
"""A made-up global that stands for strtok's hidden pointer."""


def _inside(one: Call) -> int:
    pointer = one.nth(0)
    return one.terms.make((DERIVED, pointer, one.result(2)), pointer)


def _token(one: Call) -> int:
    text = one.nth(0)
    cell = one.nth(1) if one.number(1) >= 0 else one.terms.const(STRTOK_CELL)
    fresh = [term for term in one.terms.flat(text) if one.terms.value(term) != 0]
    if len(fresh) < len(one.terms.flat(text)):
        saved = one.memory.load(one.state, cell, one.terms.word)
        pointer = one.terms.merge({*fresh, saved})
    else:
        pointer = text
    origin = pointer
    node = one.terms.nodes[pointer]
    if node[0] == DERIVED:
        origin = node[1]
    result = one.terms.make((DERIVED, origin, one.result(2)), origin)
    rest = one.terms.make((DERIVED, origin, one.terms.result(one.caller.site, "rest", ())), origin)
    one.memory.store(one.state, cell, rest, one.terms.word)
    duplicates.written(one.terms, one.state, one.terms.places(rest))
    _lacks_marks(one, result)
    return result


def _lacks_marks(one: Call, token: int) -> None:
    """A token has none of the marks that it is taken apart by."""
    marks = one.memory.image.text(one.terms.value(one.arg(1)) or 0)
    if marks:
        one.state.learn(frozenset({("lacks", token, bytesets.of(marks))}))


def _separate(one: Call) -> int:
    cell = one.nth(0)
    pointer = one.memory.load(one.state, cell, one.terms.word)
    node = one.terms.nodes[pointer]
    origin = node[1] if node[0] == DERIVED else pointer
    rest = one.terms.make((DERIVED, origin, one.terms.result(one.caller.site, "rest", ())), origin)
    one.memory.store(one.state, cell, rest, one.terms.word)
    duplicates.written(one.terms, one.state, one.terms.places(rest))
    token = one.terms.make((DERIVED, origin, one.result(2)), origin)
    _lacks_marks(one, token)
    return token


def _scan_into(one: Call, deps: frozenset[Dep], sources: tuple[tuple[int, int | None], ...] = ()) -> int:
    text = one.memory.image.text(one.terms.value(one.nth(1)) or 0)
    if text is None:
        return one.result(2)
    pieces = [piece for piece in conversions(text, scanning=True) if piece.kind and not piece.stars]
    targets = one.caller.variable_arguments(one.state, one.numbers[2], len(pieces))
    for piece, target in zip(pieces, targets, strict=False):
        if piece.kind in "s[c":
            allowed = bytesets.of(piece.set) if piece.set else bytesets.ALL
            lacks = allowed if piece.negated else ~allowed & bytesets.ALL
            bits = quoting.kept(lacks) if piece.kind == "[" else 0
            content = Content(kept(deps, bits), "%s", piece.width + 1 if piece.width else 0)
            one.caller.overrun(
                one.state,
                one.name,
                target,
                content,
                one.terms.const(piece.width + (piece.kind != "c")) if piece.width else None,
                sources,
            )
            one.write(target, content, sized=bool(piece.width))
            if piece.kind != "c":
                missing = bytesets.CLASSES["isspace"] if piece.kind == "s" else lacks
                one.state.learn(frozenset({("lacks", target, missing)}))
        elif piece.kind == "n":
            one.memory.store(one.state, target, _scanned(one, CONSUMED), 4)
        elif piece.kind != "%":
            value = one.terms.result((one.caller.site, target), "number", tuple(pointer for pointer, _ in sources))
            one.memory.store(one.state, target, value, 8 if piece.long and one.terms.word == 8 else 4)
    return one.terms.result(one.caller.site, one.name, ())


def _scanned(one: Call, name: str) -> int:
    return one.terms.result(one.caller.site, name, (one.nth(0), one.nth(1)))


def _scan(one: Call) -> int:
    _scan_into(one, one.text(one.nth(0)).deps, ((one.nth(0), None),))
    return _scanned(one, one.name)


def _number(one: Call) -> int:
    """strtol and its kin: a number, and where it ends."""
    text = one.nth(0)
    if one.terms.value(one.nth(1)) != 0:
        end = one.terms.make((DERIVED, text, one.terms.result(one.caller.site, NUMBER_END, (text,))), text)
        one.memory.store(one.state, one.nth(1), end, one.terms.word)
    return one.result(4)


def _scan_stream(one: Call) -> int:
    source = one.terms.result(one.caller.site, one.name, (one.nth(0),))
    return _scan_into(one, frozenset({("X", source, 0, 0, False)}))


def _member(one: Call) -> int:
    pointer = one.nth(0)
    one.memory.store(one.state, one.nth(1), one.terms.make((DERIVED, pointer, one.result(2)), pointer), one.terms.word)
    return one.terms.result(one.caller.site, one.name, ())


ACTIONS: Actions = {
    "inside": _inside,
    "token": _token,
    "separate": _separate,
    "number": _number,
    "scan": _scan,
    "scan_stream": _scan_stream,
    "member": _member,
}
