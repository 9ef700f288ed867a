"""<ctype.h>: kinds of characters, in the C locale."""

from .. import bytesets, standins
from ..ram import Ram
from .calls import Answer, Call


def place(ram: Ram) -> None:
    """Put the tables behind `__ctype_b_loc` and its like into memory, where `standins.TABLES` says."""
    standins.place_tables(ram)


def _table(call: Call) -> int:
    return standins.table_pointer(call.ram, call.name)


def _is(name: str) -> Answer:
    """Whether a character is of a kind. What is no character, like EOF, is of none."""
    kind = bytesets.CLASSES[name]

    def answer(call: Call) -> int:
        one = call.int32(0)
        return kind >> one & 1 if 0 <= one < 256 else 0

    return answer


def _turn(name: str) -> Answer:
    def answer(call: Call) -> int:
        one = call.int32(0)
        return standins.turned(one, name) if 0 <= one < 128 else call.number(0)

    return answer


ANSWERS: dict[str, Answer] = {
    **{name: _is(name) for name in bytesets.CLASSES},
    **dict.fromkeys(("__ctype_b_loc", "__ctype_tolower_loc", "__ctype_toupper_loc"), _table),
    "tolower": _turn("tolower"),
    "toupper": _turn("toupper"),
    "toascii": lambda call: call.number(0) & 127,
}
