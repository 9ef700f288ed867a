"""Keys of tables that hold values as well: the texts, or the pointers to constant ones, by which a program looks for an
entry. What nobody writes to is as it was when the program was loaded.
"""

from typing import TYPE_CHECKING

from .elf import Image

if TYPE_CHECKING:
    from .whole import Whole

_KEYS = 128
"""Entries that are looked for by their keys, at most."""


def key_at(image: Image, floor: int, place: int, inline: bool) -> str | None:
    """The key that stands at a place (`inline`), or that a pointer there names. Below the floor nothing is named."""
    if inline:
        return image.text(place)
    named = image.number(place, image.word)
    return image.text(named) if named is not None and named >= floor and image.constant(named) else None


def keep_keys(whole: "Whole") -> bool:
    """Find the columns by which the program looks for entries, of those that were asked for; whether they changed."""
    image, found = whole.image, dict[int, str]()
    for place, step, size in sorted(whole.columns):
        if image.constant(place) or not whole.store.kept(place, step, size):
            continue
        end = place + _KEYS * step  # pointers to texts tell by themselves how far they go
        end = min(whole.store.table_end(place, step), end) if size == 1 else end
        keys: dict[int, str] = {}
        for at in range(place, end, step):
            key = key_at(image, whole.terms.floor, at, inline=size == 1)
            if not key:
                break
            keys[at] = key
        if len(keys) > 1:
            whole.rows[place, step] = max(whole.rows.get((place, step), 0), len(keys))
            found.update(keys)
    before, image.keys = image.keys, found
    return before != found
