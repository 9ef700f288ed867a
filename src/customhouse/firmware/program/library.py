"""Calls of the C library and its kin, by the models of `libc.toml`.

A model changes the state and gives the call's result as a term. What a model needs of the evaluation is the small
surface `Caller`.
"""

import re
from collections.abc import Callable
from typing import Any, Protocol

from . import bytesets, fold, quoting
from .formats import conversions
from .lift import ADD, MUL
from .memory import Memory
from .state import EMPTY, Content, Dep, State, either, kept, settled
from .tables import table
from .terms import CONST, DERIVED, GLOBAL, HEAP, OP, Location, Terms

MODELS: dict[str, list[Any]] = table("libc.toml")["models"]
STRTOK_CELL = 0xF7FFFF00
"""A made-up global that stands for strtok's hidden pointer."""
KEY_ROOT = "key"
_MAX_COPY = 1024


_READ_ONLY = frozenset(table("libc.toml")["names"]["numeric"]) - {"recvmsg", "accept"} | {
    "puts",
    "perror",
    "free",
    "connect",
    "setsockopt",
    "sendto",
    "printf",
}


class Caller(Protocol):
    """The evaluation that a model acts on."""

    terms: Terms
    memory: Memory
    site: int

    def argument(self, state: State, index: int) -> int: ...
    def variable_arguments(self, state: State, first: int, count: int) -> tuple[int, ...]: ...
    def list_arguments(self, state: State, pointer: int, count: int) -> tuple[int, ...]: ...
    def sink(self, state: State, name: str, content: Content, extra: str = "") -> None: ...
    def start(self, state: State, name: str, path: int, vector: int) -> None: ...
    def overrun(
        self,
        state: State,
        name: str,
        target: int,
        content: Content | None,
        size: int | None,
        sources: tuple[tuple[int, int | None], ...] = (),
        literal: int = 0,
    ) -> None: ...
    def limit(self, state: State, size: int) -> int | None: ...
    def note(self, event: tuple[Any, ...]) -> None: ...
    def callback(self, state: State, function: int, arguments: tuple[int, ...]) -> None: ...
    def range_of(self, state: State, term: int) -> tuple[int, int] | None: ...


def call(caller: Caller, state: State, name: str, model: list[Any]) -> int:
    """Apply the model of `name` and return the result's term."""
    action, numbers = str(model[0]), [int(one) for one in model[1:]]
    return _ACTIONS[action](_Call(caller, state, name, numbers))


def plain_result(caller: Caller, state: State, name: str) -> int:
    """The result of a function without a model: a value named by its arguments."""
    arguments = tuple(caller.argument(state, index) for index in range(4))
    if name not in _READ_ONLY:
        for one in arguments:
            caller.memory.forget(state, one)
    return caller.terms.result(caller.site, name, arguments)


class _Call:
    """One call being modelled."""

    def __init__(self, caller: Caller, state: State, name: str, numbers: list[int]) -> None:
        self.caller, self.state, self.name, self.numbers = caller, state, name, numbers
        self.terms, self.memory = caller.terms, caller.memory

    def number(self, index: int) -> int:
        return self.numbers[index] if index < len(self.numbers) else -1

    def arg(self, index: int) -> int:
        return self.caller.argument(self.state, index)

    def nth(self, position: int) -> int:
        """The argument that the model's number at `position` names."""
        return self.arg(self.numbers[position])

    def text(self, pointer: int) -> Content:
        return self.memory.text(self.state, pointer)

    def result(self, count: int = 3) -> int:
        return self.terms.result(self.caller.site, self.name, tuple(self.arg(index) for index in range(count)))

    def size(self, index: int) -> int | None:
        """The largest value of a size argument, when known."""
        if index < 0:
            return None
        span = self.caller.range_of(self.state, self.arg(index))
        return span[1] if span is not None and 0 <= span[1] < 1 << 24 else None

    def write(self, pointer: int, content: Content, sized: bool = False) -> None:
        spots = self.terms.locate(pointer)
        for spot in spots[:6]:
            self.memory.write_text(self.state, spot, content, weak=len(spots) > 1, sized=sized)


def _copy(one: _Call) -> int:
    target, content = one.nth(0), one.text(one.nth(1))
    limit = one.size(one.number(2))
    if one.number(3) == 1:
        one.caller.overrun(one.state, one.name, target, content, None, ((one.nth(1), None),))
    elif one.number(2) >= 0:
        one.caller.overrun(one.state, one.name, target, content, one.nth(2), ((one.nth(1), None),))
    placed = one.memory.placed(one.state, target, content)
    one.write(target, placed._replace(extent=limit or content.extent, verbatim=False), sized=bool(limit))
    if not content.deps and content.template:
        one.memory.emitted(one.state, target, content.template)
    return target


def _copy_end(one: _Call) -> int:
    target = _copy(one)
    return one.terms.make((DERIVED, target, one.result()), target)


def _append(one: _Call) -> int:
    target, content = one.nth(0), one.text(one.nth(1))
    if one.number(3) == 1:
        one.caller.overrun(one.state, one.name, target, content, None, ((one.nth(1), None),))
    elif one.number(2) >= 0 and one.name != "strlcat":
        one.caller.overrun(one.state, one.name, target, content, one.nth(2), ((one.nth(1), None),))
    one.memory.append(one.state, target, content._replace(verbatim=False))
    return target


def block_copy(caller: Caller, state: State, target: int, source: int, size: int, whole: bool) -> None:
    """memcpy that the compiler wrote out; `whole` when not only the part of it that is made of words."""
    _copy_block(_Call(caller, state, "memcpy", [0, 1, 2]), target, source, size, whole)


def block_fill(caller: Caller, state: State, target: int, size: int) -> None:
    """memset to zero that the compiler wrote out."""
    _fill_block(_Call(caller, state, "memset", [0, 1]), target, caller.terms.value(size))


def _block(one: _Call) -> int:
    return _copy_block(one, one.nth(0), one.nth(1), one.nth(2))


def _copy_block(one: _Call, target: int, source: int, size: int, whole: bool = True) -> int:
    length = one.terms.value(size)
    content = one.text(source)
    if whole or length is not None:
        one.caller.overrun(one.state, one.name, target, content, size, ((source, None),))
    sources = one.terms.locate(source)
    saved = _snapshot(one, sources[0], length) if len(sources) == 1 else []
    verbatim = content.verbatim or (not content.deps and not content.template)
    if content.deps or not saved:
        most = length if length is not None else one.caller.limit(one.state, size)
        extent = most if most is not None and most < _MAX_COPY else length or 0
        placed = one.memory.placed(one.state, target, content)
        one.write(target, placed._replace(extent=extent, verbatim=verbatim), sized=bool(length))
    if not content.deps and content.template and length:
        one.memory.emitted(one.state, target, content.template[:length])
    for offset, bytes_, value in saved:
        one.memory.store(one.state, one.terms.add(target, offset), value, bytes_)
    if len(sources) == 1:
        _inner_texts(one, sources[0], target, length)
    return target


def _snapshot(one: _Call, source: Location, length: int | None) -> list[tuple[int, int, int]]:
    root, start, stride = source
    if stride:
        return []
    end = start + (length if length is not None else 256)
    return [
        (key[1] - start, *one.state.words[key])
        for key in one.state.words.of(root)
        if not key[2] and start <= key[1] < end
    ][:64]


def _inner_texts(one: _Call, source: Location, target: int, length: int | None) -> None:
    """Texts that lie inside a copied structure."""
    root, start, stride = source
    end = start + (length if length is not None else 0)
    inner = [
        (key[1] - start, one.memory.held(one.state, key))
        for key in one.state.texts.of(root)
        if not key[2] and not stride and start < key[1] < end
    ]
    for offset, text in inner[:16]:
        one.write(one.terms.add(target, offset), text)


def _fill(one: _Call) -> int:
    if one.name == "memset" and one.terms.value(one.arg(1)) == 1:
        one.memory.store(one.state, one.nth(0), one.terms.const(1), 1)  # part of a table of flags
        return one.nth(0)
    return _fill_block(one, one.nth(0), one.size(one.number(1)))


def _fill_block(one: _Call, target: int, size: int | None) -> int:
    for root, offset, stride in one.terms.locate(target)[:2]:
        if not stride and size and len(one.terms.locate(target)) == 1:
            one.memory._clear(one.state, (root, offset, 0), size)
            if one.terms.nodes[root][0] != CONST and one.terms.nodes[root][0] != HEAP:
                one.state.texts[(root, offset, 0)] = EMPTY
    return target


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
            template += (
                part.template
                if (not part.deps and part.template)
                else (part.template if "%s" in part.template and len(part.template) > 2 else "%s")
            )
        elif piece.kind == "c" and index < len(arguments):
            deps |= memory.deps_of(state, arguments[index])
            template += "%c"
        else:
            template += piece.text
        index += 1
    return Content(deps, template[:400], extent)


def formatted(one: _Call, format_term: int, arguments: Callable[[int], tuple[int, ...]]) -> Content:
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


def _is_clean(one: _Call, term: int) -> bool:
    if not one.memory.is_pointer(term):
        return False
    content = one.text(term)
    return bool(content.deps) and all(dep[4] & 1 for dep in content.deps)


def _format(one: _Call) -> int:
    return _formatted_into(one, lambda count: one.caller.variable_arguments(one.state, one.numbers[3], count))


def _vformat(one: _Call) -> int:
    return _formatted_into(one, lambda count: one.caller.list_arguments(one.state, one.nth(3), count))


def _formatted_into(one: _Call, arguments: Callable[[int], tuple[int, ...]]) -> int:
    target = one.nth(0)
    content = formatted(one, one.nth(2), arguments)
    if one.number(1) == -1:
        sources, literal = _lengths(one, one.nth(2), arguments)
        one.caller.overrun(one.state, one.name, target, content, None, sources, literal)
    elif one.number(1) >= 0:
        one.caller.overrun(one.state, one.name, target, content, one.nth(1))
    limit = one.size(one.number(1)) if one.number(1) >= 0 else None
    placed = one.memory.placed(one.state, target, content)
    one.write(target, placed._replace(extent=limit or 0), sized=bool(limit))
    result = one.terms.result(one.caller.site, one.name, ())
    one.memory.emitted(one.state, target, content.template, fold.binary(one.terms, ADD, target, result, one.terms.word))
    return result


def _lengths(
    one: _Call, format_term: int, arguments: Callable[[int], tuple[int, ...]]
) -> tuple[tuple[tuple[int, int | None], ...], int]:
    """The texts that a constant format takes, each with the bound that its precision gives, and the bytes between."""
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
                limit = 1 + (one.caller.limit(one.state, values[index - 1]) or 0)
            sources.append((values[index], limit))
        elif piece.kind:
            literal += 1
        else:
            literal += len(piece.text)
        index += 1 if piece.kind else 0
    return tuple(sources), literal


def _new_text(one: _Call, content: Content) -> None:
    heap = one.terms.make((HEAP, one.caller.site))
    one.write(heap, content)
    one.memory.store(one.state, one.nth(0), heap, one.terms.word)


def _format_new(one: _Call) -> int:
    _new_text(
        one, formatted(one, one.nth(1), lambda count: one.caller.variable_arguments(one.state, one.numbers[2], count))
    )
    return one.terms.result(one.caller.site, one.name, ())


def _vformat_new(one: _Call) -> int:
    _new_text(one, formatted(one, one.nth(1), lambda count: one.caller.list_arguments(one.state, one.nth(2), count)))
    return one.terms.result(one.caller.site, one.name, ())


_KEYED = re.compile(r"^%s\s*[=:]")


def _print(one: _Call) -> int:
    text = one.memory.image.text(one.terms.value(one.nth(1)) or 0) or ""
    keyed = bool(_KEYED.match(text)) and text.count("%s") > 1

    def values(count: int) -> tuple[int, ...]:
        """What is read back by its key is the value, not the key."""
        found = one.caller.variable_arguments(one.state, one.numbers[2], count)
        return (one.terms.zero, *found[1:]) if keyed else found

    content = formatted(one, one.nth(1), values)
    if content.deps:
        one.caller.note(("out", one.nth(0), content, one.caller.site))
    return one.result(1)


def _write(one: _Call) -> int:
    content = one.memory.within(one.state, one.nth(1), one.size(one.number(2)) or 0)
    if content.deps:
        one.caller.note(("out", one.nth(0), content, one.caller.site))
    return one.result(3)


def _dup(one: _Call) -> int:
    content = one.text(one.nth(0))
    heap = one.terms.make((HEAP, one.caller.site))
    one.write(heap, content._replace(extent=one.size(one.number(1)) or 0, verbatim=False))
    return heap


def _alloc(one: _Call) -> int:
    heap = one.terms.make((HEAP, one.caller.site))
    size = one.nth(0)
    if one.number(1) >= 0:
        left, right = one.terms.value(size), one.terms.value(one.nth(1))
        size = (
            one.terms.const(left * right)
            if left is not None and right is not None
            else one.terms.make((OP, MUL, size, one.nth(1)), size, one.nth(1))
        )
    one.caller.note(("alloc", heap, size))
    return heap


def _realloc(one: _Call) -> int:
    heap = one.terms.make((HEAP, one.caller.site))
    old = [term for term in one.terms.flat(one.nth(0)) if one.terms.value(term) is None]
    return one.terms.merge({heap, *old}) if old else heap


def _inside(one: _Call) -> int:
    pointer = one.nth(0)
    return one.terms.make((DERIVED, pointer, one.result(2)), pointer)


def _token(one: _Call) -> int:
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
    return result


def _separate(one: _Call) -> int:
    cell = one.nth(0)
    pointer = one.memory.load(one.state, cell, one.terms.word)
    node = one.terms.nodes[pointer]
    origin = node[1] if node[0] == DERIVED else pointer
    rest = one.terms.make((DERIVED, origin, one.terms.result(one.caller.site, "rest", ())), origin)
    one.memory.store(one.state, cell, rest, one.terms.word)
    return one.terms.make((DERIVED, origin, one.result(2)), origin)


def _scan_into(one: _Call, deps: frozenset[Dep], sources: tuple[tuple[int, int | None], ...] = ()) -> int:
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
        elif piece.kind not in "n%":
            value = one.terms.result((one.caller.site, target), "number", tuple(pointer for pointer, _ in sources))
            one.memory.store(one.state, target, value, 8 if piece.long and one.terms.word == 8 else 4)
    return one.terms.result(one.caller.site, one.name, ())


def _scan(one: _Call) -> int:
    return _scan_into(one, one.text(one.nth(0)).deps, ((one.nth(0), None),))


def _scan_stream(one: _Call) -> int:
    source = one.terms.result(one.caller.site, one.name, (one.nth(0),))
    return _scan_into(one, frozenset({("X", source, 0, 0, False)}))


def _receive(one: _Call) -> int:
    descriptor = one.nth(0) if one.number(0) >= 0 else one.terms.unknown("stdin")
    size = one.nth(2) if one.number(2) >= 0 else None
    source = one.terms.result(one.caller.site, one.name, (descriptor,))
    limit = one.size(one.number(2))
    if one.name in ("fread", "fread_unlocked"):
        span = one.caller.range_of(one.state, one.arg(2))
        limit = limit * span[1] if limit and span and 0 < span[1] < 1 << 20 else None
        size = one.terms.const(limit) if limit else None
    content = Content(frozenset({("X", source, 0, 0, False)}), "%s", limit or 0)
    if one.name != "fread" or size is not None:
        one.caller.overrun(one.state, one.name, one.nth(1), content, size)
    whole = one.terms.reach(one.nth(1), size) if size is not None else None
    if whole is not None:
        for spot in one.terms.locate(whole[0])[:4]:
            one.memory.write_text(one.state, spot, content._replace(extent=whole[1]), weak=True, sized=True)
    else:
        one.write(one.nth(1), content, sized=bool(limit))
    for root, offset, _stride in one.terms.locate(one.nth(1))[:4]:
        if root == GLOBAL:
            one.caller.note(("input", offset))
    if one.name in ("fgets", "__fgets_chk", "fgets_unlocked", "gets"):
        return one.nth(1)
    if limit:
        one.state.ranges[source] = (-1, limit)
        one.caller.note(("limit", source, limit))
    return source


def _receive_vector(one: _Call) -> int:
    """recvmsg: msg_iov is the third pointer of struct msghdr (after name and its length)."""
    word = one.terms.word
    vector = one.memory.load(one.state, one.terms.add(one.nth(1), 2 * word), word)
    return _fill_list(one, vector)


def _receive_list(one: _Call) -> int:
    return _fill_list(one, one.nth(1))


def _fill_list(one: _Call, vector: int) -> int:
    """The first buffers of an array of `struct iovec` (address, length)."""
    word = one.terms.word
    source = one.terms.result(one.caller.site, one.name, (one.nth(0),))
    for index in range(2):
        place = one.terms.add(vector, index * 2 * word)
        target = one.memory.load(one.state, place, word)
        if index == 0 or one.memory.is_pointer(target):
            span = one.caller.range_of(one.state, one.memory.load(one.state, one.terms.add(place, word), word))
            limit = span[1] if span is not None and 0 < span[1] < 1 << 24 else 0
            one.write(target, Content(frozenset({("X", source, 0, 0, False)}), "%s", limit))
    return source


def _receive_line(one: _Call) -> int:
    source = one.terms.result(one.caller.site, one.name, (one.nth(0),))
    heap = one.terms.make((HEAP, one.caller.site))
    one.write(heap, Content(frozenset({("X", source, 0, 0, False)}), "%s"))
    one.memory.store(one.state, one.nth(1), heap, one.terms.word)
    return source


def _outside(one: _Call) -> int:
    key = one.text(one.nth(0))
    named = one.terms.result("key", key.template if not key.deps else "?")
    return one.terms.result(one.caller.site, one.name, (named,))


def _given(one: _Call) -> int:
    """A function of the image's own library that fills its argument with request data."""
    source = one.terms.result(one.caller.site, one.name, ())
    one.write(one.nth(0), Content(frozenset({("X", source, 0, 0, False)}), "%s"))
    return source


def _command(one: _Call) -> int:
    one.caller.sink(one.state, one.name, one.text(one.nth(0)))
    return one.result(1)


def _command_words(one: _Call) -> int:
    return _command(one)


def _command_format(one: _Call) -> int:
    content = formatted(
        one, one.nth(0), lambda count: one.caller.variable_arguments(one.state, one.numbers[0] + 1, count)
    )
    one.caller.sink(one.state, one.name, content)
    return one.result(1)


SHELL = re.compile(r"(^|/)(sh|bash|ash|dash)$")
COMMAND_OPTIONS = frozenset(("-c", "-lc", "-ec"))
_MAX_WORDS = 8


def _execute_list(one: _Call) -> int:
    arguments = []
    for term in one.caller.variable_arguments(one.state, 1, 10):
        if one.terms.value(term) == 0:
            break
        arguments.append(term)
    for content, extra in started(one.memory, one.state, one.nth(0), arguments)[0]:
        one.caller.sink(one.state, one.name, content, extra)
    return one.result(1)


def _execute_vector(one: _Call) -> int:
    path, vector = one.nth(0), one.nth(1)
    found, open_ = started(one.memory, one.state, path, vector_of(one.memory, one.state, vector))
    for content, extra in found:
        one.caller.sink(one.state, one.name, content, extra)
    if open_:
        one.caller.start(one.state, one.name, path, vector)
    return one.result(1)


def vector_of(memory: Memory, state: State, vector: int) -> list[int]:
    """The words of an argument vector as far as its end."""
    arguments = []
    for index in range(_MAX_WORDS):
        term = memory.load(state, memory.terms.add(vector, index * memory.terms.word), memory.terms.word)
        if memory.terms.value(term) == 0:
            break
        arguments.append(term)
    return arguments


def started(memory: Memory, state: State, path: int, arguments: list[int]) -> tuple[list[tuple[Content, str]], bool]:
    """What starting a program runs as a command: a program's path from outside is a command, and so is what a shell
    with -c is given. Whether more may be found where the arguments are known.
    """
    out: list[tuple[Content, str]] = []
    program = memory.text(state, path)
    if program.deps:
        out.append((program, "path"))
    shell = not program.deps and bool(SHELL.search(program.template))
    texts = [memory.text(state, term) for term in arguments]
    for index, text in enumerate(texts[:-1]):
        if text.deps or text.template not in COMMAND_OPTIONS:
            continue
        if shell or any(not one.deps and SHELL.search(one.template) for one in texts[:index]):
            out.append((texts[index + 1], ""))
            return out, False
    return out, shell or bool(program.deps)


def _bind(one: _Call) -> int:
    address = one.nth(1)
    family = one.memory.load(one.state, address, 2)
    port = one.memory.load(one.state, one.terms.add(address, 2), 2)
    one.caller.note(("bind", one.caller.site, port, one.nth(0), family))
    return one.result(1)


def _swap(one: _Call) -> int:
    value = one.terms.value(one.nth(0))
    size = one.numbers[1]
    if one.memory.image.big:
        return one.nth(0)
    if value is not None:
        return one.terms.const(int.from_bytes((value & ((1 << (8 * size)) - 1)).to_bytes(size, "big"), "little"))
    return one.terms.result("swap", f"swap{size}", (one.nth(0),))


def _service(one: _Call) -> int:
    """getaddrinfo: the service string is the port."""
    kind = one.memory.load(one.state, one.terms.add(one.nth(2), 8), 4)  # ai_socktype of the hints
    service = one.text(one.nth(1))
    one.caller.note(("service", one.caller.site, one.nth(1), service, kind))
    one.memory.forget(one.state, one.arg(3), one.terms.word)
    return one.result(2)


def _pair(one: _Call) -> int:
    for index in range(2):
        end = one.terms.result(one.caller.site, "pipe", (one.terms.const(index),))
        one.memory.store(one.state, one.terms.add(one.nth(0), 4 * index), end, 4)
    return one.result(0)


def _duplicate(one: _Call) -> int:
    one.caller.note(("dup2", one.nth(0), one.nth(1)))
    return one.nth(1)


def _rename(one: _Call) -> int:
    """A file that is written under one name is read under another."""
    old, new = one.text(one.nth(0)), one.text(one.nth(1))
    if not old.deps and not new.deps:
        one.caller.note(("rename", old.template, new.template))
    return one.result(2)


def _stream(one: _Call) -> int:
    return one.terms.result(one.caller.site, one.name, (one.nth(0),))


def _attach(one: _Call) -> int:
    return one.result(2)


def _timer(one: _Call) -> int:
    """timer_create: struct sigevent is value, signal, way of notifying, function."""
    word = one.terms.word
    value = one.memory.load(one.state, one.nth(0), word)
    function = one.memory.load(one.state, one.terms.add(one.nth(0), 8 + word), word)
    one.caller.callback(one.state, function, (value,))
    return one.result(1)


def _callback(one: _Call) -> int:
    arguments = tuple(one.arg(index) if index >= 0 else one.terms.unknown("callback") for index in one.numbers[1:])
    one.caller.callback(one.state, one.nth(0), arguments)
    return one.result(1)


def _handler(one: _Call) -> int:
    """sigaction: the handler is the first word of the structure."""
    function = one.memory.load(one.state, one.nth(0), one.terms.word)
    one.caller.callback(one.state, function, ())
    return one.result(1)


def _put(one: _Call) -> int:
    key, value = one.text(one.nth(0)), one.text(one.nth(1))
    if value.deps:
        one.caller.note(("put", one.name, key.template if not key.deps else "?", value))
    return one.result(1)


def _get(one: _Call) -> int:
    key = one.text(one.nth(0))
    return one.terms.result("store", key.template if not key.deps else "?")


def _member(one: _Call) -> int:
    pointer = one.nth(0)
    one.memory.store(one.state, one.nth(1), one.terms.make((DERIVED, pointer, one.result(2)), pointer), one.terms.word)
    return one.terms.result(one.caller.site, one.name, ())


def _nothing(one: _Call) -> int:
    return one.terms.result(one.caller.site, one.name, ())


def _plain(one: _Call) -> int:
    path = one.text(one.arg(0))
    named = one.terms.result("path", path.template if not path.deps else "?")
    return one.terms.result(one.caller.site, one.name, (named,))


_ACTIONS: dict[str, Callable[[_Call], int]] = {
    "copy": _copy,
    "copy_end": _copy_end,
    "append": _append,
    "block": _block,
    "fill": _fill,
    "format": _format,
    "vformat": _vformat,
    "format_new": _format_new,
    "vformat_new": _vformat_new,
    "print": _print,
    "write": _write,
    "dup": _dup,
    "alloc": _alloc,
    "realloc": _realloc,
    "inside": _inside,
    "token": _token,
    "separate": _separate,
    "scan": _scan,
    "scan_stream": _scan_stream,
    "receive": _receive,
    "receive_vector": _receive_vector,
    "receive_list": _receive_list,
    "receive_line": _receive_line,
    "outside": _outside,
    "given": _given,
    "command": _command,
    "command_words": _command_words,
    "command_format": _command_format,
    "execute_list": _execute_list,
    "execute_vector": _execute_vector,
    "bind": _bind,
    "swap": _swap,
    "service": _service,
    "pair": _pair,
    "duplicate": _duplicate,
    "rename": _rename,
    "stream": _stream,
    "attach": _attach,
    "callback": _callback,
    "timer": _timer,
    "handler": _handler,
    "put": _put,
    "get": _get,
    "member": _member,
    "nothing": _nothing,
    "plain": _plain,
}
