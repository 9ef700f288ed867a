"""Models of what makes texts by a format: the printf family into memory."""

import re
from collections.abc import Callable

from .. import bytesets, duplicates, fold, quoting
from ..formats import conversions
from ..lift import ADD
from ..memory import Memory
from ..state import Content, Dep, State, either, kept, settled
from ..terms import HEAP
from .called import Actions, Call
from .copies import appends

_DATED = re.compile("%[-_0^#EO]*[A-Za-z+]")
"""A conversion of strftime."""


def fill(memory: Memory, state: State, format_: str, arguments: tuple[int, ...]) -> Content:
    """The text that a format gives: `%s` takes the text of its argument, numbers carry nothing."""
    deps: frozenset[Dep] = frozenset()
    template = ""
    index = 0
    extent = 0
    for piece in conversions(format_):
        if piece.kind == "":
            template += piece.text
            continue
        index += piece.stars
        if piece.kind == "s":
            part = memory.text(state, arguments[index]) if index < len(arguments) else Content(frozenset(), "%s")
            deps |= settled(part.deps, (quoting.plain(quoting.after(quoting.START, template)),))
            template += _shape(part)
        elif piece.kind == "c" and index < len(arguments):
            deps |= letter(memory, state, arguments[index], template)
            template += "%c"
        else:
            template += piece.text
        index += 1
    return Content(deps, template[:400], extent)


def _shape(part: Content) -> str:
    """How a text shows in the template that it is put into. Of one that was put together in memory the template tells
    the beginning: where that opens a quote, what closes it is not in sight.
    """
    if not part.deps and part.template:
        return part.template
    if "%s" not in part.template or len(part.template) <= 2:
        return "%s"
    return "%s" if part.grown and quoting.after(quoting.START, part.template) != quoting.START else part.template


def letter(memory: Memory, state: State, value: int, before: str = "") -> frozenset[Dep]:
    """The texts of a letter that is printed, safe when tests left it no letter that a shell takes as its own."""
    deps = memory.deps_of(state, value)
    mask = memory.byte_mask(state, value) if deps else None
    if mask is not None:
        deps = kept(deps, quoting.kept(bytesets.ALL & ~mask))
    return settled(deps, (quoting.plain(quoting.after(quoting.START, before)),))


def formatted(one: Call, format_term: int, arguments: Callable[[int], tuple[int, ...]]) -> Content:
    """A printf-like text; a format that is a parameter stays open until a caller gives it."""
    content: Content | None = None
    for term in one.terms.flat(format_term):
        value = one.terms.value(term)
        text = one.memory.image.text(value) if value is not None and value >= one.terms.floor else None
        if text is not None:
            count = sum(1 + piece.stars for piece in conversions(text) if piece.kind)
            part = fill(one.memory, one.state, text, arguments(min(count, 16)))
        elif value is not None:
            continue
        else:
            shape = one.text(term)
            # what is clean by now stays clean, whatever the format turns out to be
            values = tuple(one.terms.zero if _is_clean(one, value) else value for value in arguments(8))
            deps: frozenset[Dep] = frozenset({("V", term, values, 0, False)})
            known = one.memory.text(one.state, term)
            part = Content(deps | (shape.deps if not known.verbatim else frozenset()), "%s")
        content = part if content is None else either(content, part)
    return content if content is not None else Content(frozenset(), "%s")


def _is_clean(one: Call, term: int) -> bool:
    if not one.memory.is_pointer(term):
        return False
    content = one.text(term)
    return bool(content.deps) and all(dep[4] & 1 for dep in content.deps)


def _format(one: Call) -> int:
    return _formatted_into(one, lambda count: one.caller.variable_arguments(one.state, one.numbers[3], count))


def _vformat(one: Call) -> int:
    return _formatted_into(one, lambda count: one.caller.list_arguments(one.state, one.nth(3), count))


def _formatted_into(one: Call, arguments: Callable[[int], tuple[int, ...]]) -> int:
    target = one.nth(0)
    content = formatted(one, one.nth(2), arguments)
    behind = appends(one, target)
    if one.number(1) == -1:
        before = one.state.facts
        sources, literal = _lengths(one, one.nth(2), arguments)
        start = target if behind is None else behind[0]
        again = 1 if behind is None else one.caller.again(one.state, start, content)
        one.caller.overrun(one.state, one.name, start, content, None, sources, literal, again)
        one.state.facts = before
    elif one.number(1) >= 0:
        one.caller.overrun(one.state, one.name, target, content, one.nth(1))
    limit = one.size(one.number(1)) if one.number(1) >= 0 else None
    placed = one.memory.placed(one.state, target, content)
    room = one.room(one.nth(1)) if one.number(1) >= 0 and not limit else -1
    printed = one.caller.printing(one.state, target, content) if one.caller.looping else None
    one.write(target, placed._replace(extent=limit or 0, room=room), sized=bool(limit))
    if printed is not None:
        printed()
    if behind is not None:
        one.memory.went_on(one.state, behind[0])
    result = one.terms.result(one.caller.site, one.name, ())
    if content.deps:
        _duplicated(one, arguments, result)
    one.memory.emitted(one.state, target, content.template, fold.binary(one.terms, ADD, target, result, one.terms.word))
    return result


def _duplicated(one: Call, arguments: Callable[[int], tuple[int, ...]], length: int) -> None:
    """`"%s"` copies a text, as far as there is room, and gives its length; `"%.*s"` copies its beginning."""
    form = one.memory.image.text(one.terms.value(one.nth(2)) or 0)
    size = one.terms.value(one.nth(1)) if one.number(1) >= 0 else None
    target = one.nth(0)
    if form == "%s" and (size or one.number(1) < 0):
        count = duplicates.TO_END if size is None else one.terms.const(size - 1)
        [source] = arguments(1)
        duplicates.made(one.terms, one.state, target, source, count)
        one.state.learn(frozenset({("most", one.terms.result("printed", "strlen", (source,)), length, 0)}))
    elif form == "%.*s":
        count, source = arguments(2)
        most = one.caller.limit(one.state, count)
        if one.number(1) < 0 or (size and most is not None and most < size):
            duplicates.made(one.terms, one.state, target, source, count)


def _lengths(
    one: Call, format_term: int, arguments: Callable[[int], tuple[int, ...]]
) -> tuple[tuple[tuple[int, int | None], ...], int]:
    """The texts that a constant format takes, each with the bound that its precision gives, and the bytes between. Of a
    precision that callers know better it is learned that it is one.
    """
    values_ = [one.terms.value(term) for term in one.terms.flat(format_term)]
    texts = {one.memory.image.text(value) for value in values_ if value is not None and value >= one.terms.floor}
    text = texts.pop() if len(texts) == 1 else None
    if text is None:
        return (), 0
    pieces = conversions(text)
    values = arguments(min(sum(1 + piece.stars for piece in pieces if piece.kind), 16))
    index = literal = 0
    sources: list[tuple[int, int | None]] = []
    for piece in pieces:
        index += piece.stars if piece.kind else 0
        if piece.kind == "s" and index < len(values):
            limit: int | None = piece.precision + 1 if piece.precision >= 0 else None
            if piece.stars and limit is None:
                precision = values[index - 1]
                most = one.caller.limit(one.state, precision)
                limit = None if most is None else most + 1
                if most is None:
                    taken = one.terms.result("precision", "strlen", (values[index],))
                    one.state.learn(frozenset({("most", taken, precision, 0)}))
            sources.append((values[index], limit))
        elif piece.kind:
            literal += 1
        else:
            literal += len(piece.text)
        index += 1 if piece.kind else 0
    return tuple(sources), literal


def _new_text(one: Call, content: Content) -> None:
    heap = one.terms.make((HEAP, one.caller.spot))
    one.write(heap, content)
    one.memory.store(one.state, one.nth(0), heap, one.terms.word)


def _format_new(one: Call) -> int:
    _new_text(
        one, formatted(one, one.nth(1), lambda count: one.caller.variable_arguments(one.state, one.numbers[2], count))
    )
    return one.terms.result(one.caller.site, one.name, ())


def _vformat_new(one: Call) -> int:
    _new_text(one, formatted(one, one.nth(1), lambda count: one.caller.list_arguments(one.state, one.nth(2), count)))
    return one.terms.result(one.caller.site, one.name, ())


def _date(one: Call) -> int:
    """strftime: numbers and names of days, none of them from outside."""
    text = one.memory.image.text(one.terms.value(one.nth(2)) or 0)
    one.write(one.nth(0), Content(frozenset(), _DATED.sub("%d", text or "%c")))
    return one.terms.result(one.caller.site, one.name, ())


def _address(one: Call) -> int:
    """inet_ntop, ether_ntoa_r: an address as text, which holds nothing but digits, letters, dots and colons."""
    target, most = one.arg(one.number(0)), one.number(1)
    one.write(target, Content(frozenset(), "%x:%d.%d", most))
    return target


ACTIONS: Actions = {
    "address": _address,
    "date": _date,
    "format": _format,
    "vformat": _vformat,
    "format_new": _format_new,
    "vformat_new": _vformat_new,
}
