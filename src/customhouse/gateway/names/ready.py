"""Answers kept as bytes, so that a query asked before costs a look into a dictionary and no parsing.

Only the number at the front and the lives of the records change from one time to the next.
"""

import struct

from .wire import ttl_places

PACKET_MOST = 320
"""Bytes of a query worth remembering: a header, the longest name and a pseudo-record."""
_TTL = struct.Struct(">I")


class Ready:
    """One answer. `key`: the name and type it is for; `expires`: when what it was made of does, which marks it."""

    __slots__ = ("_left", "_lives", "_tail", "expires", "key")

    def __init__(self, key: tuple[str, int], tail: bytes, lives: tuple[tuple[int, int], ...], expires: float) -> None:
        self.key, self.expires = key, expires
        self._tail, self._lives, self._left = bytearray(tail), lives, -1

    def with_life(self, left: int) -> bytearray:
        """The answer from its third byte on, no record living longer than `left` seconds. Copy it to keep it."""
        if left != self._left:
            self._left = left
            for at, ttl in self._lives:
                _TTL.pack_into(self._tail, at, min(ttl, left))
        return self._tail


def made_ready(key: tuple[str, int], answer: bytes, expires: float) -> Ready:
    """From an answer with the records' own lives in it."""
    return Ready(key, answer[2:], tuple((at - 2, ttl) for at, ttl in ttl_places(answer)), expires)
