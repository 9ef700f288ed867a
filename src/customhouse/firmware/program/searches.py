"""Places that searches came to: which byte lies there."""

from .terms import DERIVED, RESULT, Terms

_SEARCHES = frozenset(("strchr", "index", "memchr", "strrchr", "rindex", "strchrnul"))


def sought(terms: Terms, pointer: int) -> int | None:
    """The byte that lies where a search for one came to: `strchr(text, '@')`. None when it is no such place."""
    node = terms.nodes[pointer]
    call = terms.nodes[node[2]] if node[0] == DERIVED else node
    if call[0] != RESULT or call[2] not in _SEARCHES or len(call[3]) < 2:
        return None
    value = terms.value(call[3][1])
    return None if value is None else value & 255
