"""Texts in memory where paths meet, field by field: copies of whole objects are cut where a path wrote into one."""

from collections.abc import Callable

from . import quoting
from .state import Content, Fact, Places, State, cut, either, kept
from .terms import STACK, UNKNOWN, Location, Terms

_MAX_FIELDS = 40
"""Fields of one object that are told apart."""


def checked(terms: Terms, state: State, common: frozenset[Fact]) -> Places[Content]:
    """The texts of one path, with what only this path's checks say of them: behind the join nobody could tell."""
    texts = state.texts
    for _, pointer, mask in (fact for fact in state.facts - common if fact[0] == "lacks"):
        places, bits = terms.places(pointer), quoting.kept(mask)
        content = texts.get(places[0]) if bits and len(places) == 1 else None
        if content is not None and content.deps and not terms.made(pointer):
            told = content._replace(deps=kept(content.deps, bits))
            if told != content:
                texts = texts.copy() if texts is state.texts else texts
                texts[places[0]] = told
    return texts


def meet(told: list[Places[Content]], terms: Terms) -> Places[Content]:
    """The texts that memory holds where paths meet; `told` has those of each path."""
    met: Places[Content] = Places()
    told = _aligned(told)
    keys = set(told[0])
    for one in told[1:]:
        keys.update(one)
    for key in keys:
        content: Content | None = None
        for one in told:
            part = one.get(key)
            if part is None:
                if terms.nodes[key[0]][0] == STACK:
                    continue
                part = Content(frozenset({("T", *key, False)}), "%s", 0, True)
            content = part if content is None else either(content, part, key)
        if content is not None:
            met[key] = content
    return met


def remembered(
    terms: Terms, entry: State, head: State, tell: Callable[[State, Location], None] = lambda _state, _place: None
) -> None:
    """At a loop's head, texts that the loop put where others see them are what memory holds there: what the whole
    program put there, one round of the loop or another. `entry` is how the loop is entered. What is written letter by
    letter is followed letter by letter. Of what nobody was told of yet `tell` is called before.
    """
    for key, content in list(head.texts.items()):
        root = key[0]
        own = frozenset({("T", *key, False)})
        before = entry.texts.get(key)
        if content.template != "%s" or content.grown or content.deps == own or content == before:
            continue
        if all(dep[4] & quoting.SAFE for dep in content.deps - own):
            continue  # what was checked on the way round
        if (before is None or before.deps <= own) and root not in head.private and _is_known(terms, root, key[1]):
            if key in head.untold:
                tell(head, key)
            if before is None and not content.appended:
                del head.texts[key]
            else:
                head.texts[key] = Content(own, "%s", 0, True, appended=content.appended)


def _is_known(terms: Terms, root: int, offset: int) -> bool:
    """Whether a place means the same to the whole program."""
    if not root:
        return offset >= terms.floor
    return not terms.open[root] and terms.nodes[root][0] not in (STACK, UNKNOWN) and offset < terms.floor


def _aligned(told: list[Places[Content]]) -> list[Places[Content]]:
    """Copies of whole objects, cut where another path has texts of single fields: else what one path wrote into a field
    would be as long as the copy.
    """
    if all(one == told[0] for one in told[1:]):
        return told
    out = list(told)
    copied = {key[0] for one in told for key, text in one.items() if text.verbatim and text.extent and not key[2]}
    for root in sorted(copied):
        fields = [(key[1], texts[key].extent) for texts in told for key in texts.of(root) if not key[2]]
        marks = sorted({at for at, _ in fields} | {at + extent for at, extent in fields if extent})
        if 2 < len(marks) <= _MAX_FIELDS:
            out = [_cut_at(texts, root, marks) for texts in out]
    return out


def _cut_at(texts: Places[Content], root: int, marks: list[int]) -> Places[Content]:
    new: Places[Content] | None = None
    for key in texts.of(root):
        rest, start = texts[key], key[1]
        for mark in marks if not key[2] else ():
            parts = cut(rest, mark - start)
            if parts is not None:
                new = texts.copy() if new is None else new
                new[(root, start, 0)] = parts[0]
                rest, start = parts[1], mark
                if (root, start, 0) in new:
                    break
                new[(root, start, 0)] = rest
    return texts if new is None else new
