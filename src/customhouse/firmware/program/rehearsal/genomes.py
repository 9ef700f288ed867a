"""What is sent to a rehearsed program, in a form that can be changed piece by piece."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from .forms import NAMES
from .world import Script

_LENGTH = re.compile(rb"(?i)(content-length: ?)(\d+)")
_PLACES = 3
"""Places in a message at which one text is replaced."""
_CGI = {"REQUEST_METHOD": b"POST", "GATEWAY_INTERFACE": b"CGI/1.1", "SERVER_PROTOCOL": b"HTTP/1.0"}


class Repair(NamedTuple):
    """A number in a message that must be what the program computes: a length, a checksum. `where` counts from the
    message's end when it is negative.
    """

    message: int
    where: int
    size: int
    order: str
    site: int
    second: bool
    """Whether the message's number is the second one of the comparison at `site`."""
    balance: str = ""
    """How the number goes into one that is compared with another, where it is not compared itself: `added`,
    `subtracted` or `xor`.
    """


def balanced(now: int, first: int, second: int, repair: Repair) -> bytes:
    """The byte that makes both numbers the same into the first one (or the second) of which it goes."""
    missing = first - second if repair.second else second - first
    changed = {"added": now + missing, "subtracted": now - missing, "xor": now ^ first ^ second}[repair.balance]
    return bytes([changed & 0xFF])


class Genome(NamedTuple):
    """Messages, each a session of its own; what a web server hands to a CGI program is `stdin` and `environment`."""

    messages: tuple[bytes, ...] = ()
    environment: tuple[tuple[str, bytes], ...] = ()
    repairs: tuple[Repair, ...] = ()
    cgi: bool = False

    def script(self) -> Script:
        """What the program will find."""
        if not self.cgi:
            return Script(tuple((_measured(one),) for one in self.messages), dict(self.environment))
        body = self.messages[0] if self.messages else b""
        environment = {**_CGI, "CONTENT_LENGTH": str(len(body)).encode(), "QUERY_STRING": body}
        environment.update(self.environment)
        return Script((), environment, body)

    def pieces(self) -> list[tuple[int, bytes]]:
        """All that can be changed: messages by number, then values of the environment."""
        return list(enumerate((*self.messages, *(value for _, value in self.environment))))

    def changed(self, piece: int, value: bytes) -> "Genome":
        """The same with another value of one piece."""
        if piece < len(self.messages):
            return self._replace(messages=(*self.messages[:piece], value, *self.messages[piece + 1 :]))
        at = piece - len(self.messages)
        pair = (self.environment[at][0], value)
        return self._replace(environment=(*self.environment[:at], pair, *self.environment[at + 1 :]))

    def and_then(self, other: "Genome") -> "Genome":
        """One behind the other."""
        shift = len(self.messages)
        return self._replace(
            messages=self.messages + other.messages,
            repairs=self.repairs + tuple(one._replace(message=one.message + shift) for one in other.repairs),
        )


def _measured(message: bytes) -> bytes:
    """With the length that its header tells (HTTP, SIP, RTSP) as it is."""
    head, mark, body = message.partition(b"\r\n\r\n")
    if not mark:
        head, mark, body = message.partition(b"\n\n")
    if not mark or not body:
        return message
    return _LENGTH.sub(lambda found: found[1] + str(len(body)).encode(), head, count=1) + mark + body


def marker(genome: Genome) -> bytes:
    """A word that is nowhere yet."""
    everything = b"".join(value for _, value in genome.pieces())
    return next((one for one in NAMES if one not in everything), NAMES[0])


def spots(piece: bytes, part: bytes) -> Iterator[int]:
    """Where a part stands in a piece, first and last places first."""
    found: list[int] = []
    at = piece.find(part)
    while at >= 0 and len(found) < 40:
        found.append(at)
        at = piece.find(part, at + 1)
    yield from found[:_PLACES]
    if len(found) > _PLACES:
        yield found[-1]
