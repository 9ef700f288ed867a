"""What a rehearsed program finds around itself: peers that send chosen bytes, files, a clock. It is all made up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

MOST_FILE = 1 << 20
MOST_RAN = 400
"""Commands of a run that are told."""
START = 1_700_049_600
"""The clock's first second: a Wednesday's noon, when devices do what they do by day."""
PEER = (192, 0, 2, 9)
"""Whom packets come from (RFC 5737)."""
DEVICE = (192, 0, 2, 1)
"""The device's own address."""
PATIENCE = 4.0
"""Seconds that a peer waits behind its last message before it hangs up."""


class Script(NamedTuple):
    """What comes from outside: sessions, each with its messages (datagrams, or pieces of one connection), the
    environment and the standard input.
    """

    sessions: tuple[tuple[bytes, ...], ...] = ()
    environment: Mapping[str, bytes] = {}
    stdin: bytes = b""


class Heard(NamedTuple):
    """A call that took bytes from outside: which, from where, over which port (0 for none) and kind of socket."""

    name: str
    site: int
    port: int
    kind: str


class Ran(NamedTuple):
    """A command that was run: by which function, from where, its arguments, and in which session (from 0)."""

    name: str
    site: int
    arguments: tuple[bytes, ...]
    session: int


@dataclass(eq=False)
class Open:
    """What a descriptor stands for. `kind`: listening (a stream socket before it is connected), datagrams, connection
    (to the peer that sends the sessions), pair (a pipe, or a socket whose other end the program has itself), file,
    stdin, timer, event, silent (says nothing ever), nothing (is at its end).
    """

    kind: str
    data: bytearray = field(default_factory=bytearray)
    """What is there to be read; of a file, all of it."""
    at: int = 0
    path: str = ""
    port: int = 0
    messages: list[bytes] = field(default_factory=list)
    """What comes next, piece by piece."""
    peer: Optional["Open"] = None
    """Where what is written goes."""
    holders: int = 0
    """Descriptors that stand for it, in all processes."""
    pending: list["Open"] = field(default_factory=list)
    """Connections from within the device that wait to be accepted."""
    watched: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Of an epoll descriptor: events and data by descriptor."""
    family: int = 2
    over: float | None = None
    """When the peer hangs up."""
    due: float | None = None
    every: float = 0.0
    """When a timer rings, and how many seconds later again."""
    local: bool = False
    """A socket of a family that is no network."""
    bounded: bool = False
    """Whether messages are kept apart."""
    waits: bool = True
    """Whether calls wait for what is not there yet."""
    limit: float | None = None
    """Seconds that a call waits at most."""
    tried: int = 0
    """How often in a row nothing was there for a call that did not wait."""


class World:
    """One run's surroundings."""

    def __init__(self, script: Script, port: int | None, datagrams: bool | None) -> None:
        self.script = script
        self.port, self.datagrams = port, datagrams
        self.restart()

    def restart(self) -> None:
        """All is as it was before the program ran."""
        self.files: dict[str, bytearray] = {}
        self.clock = float(START)
        self.begun = 0
        """Sessions that have begun."""
        self.may_begin = False
        """Whether nothing else is left to do, so that the next session is let in."""
        self.waiting: list[bytes] = []
        """Datagrams of the session that has begun."""
        self.heard: dict[Heard, None] = {}
        self.ran: list[Ran] = []
        self.ports: set[int] = set()
        self.bound: dict[bytes | int, Open] = {}
        """Sockets by the address that they are bound to: a path, or a port."""

    @property
    def session(self) -> int:
        return self.begun - 1

    @property
    def left(self) -> bool:
        return self.begun < len(self.script.sessions)

    def is_meant(self, one: Open) -> bool:
        """Whether a socket is the one that the sessions go to."""
        if one.local:
            return False
        if self.port is not None and self.port in self.ports:
            return one.port == self.port
        return self.datagrams is None or self.datagrams == (one.kind == "datagrams")

    def begin(self) -> tuple[bytes, ...]:
        """Let the next session in."""
        self.may_begin = False
        self.begun += 1
        return self.script.sessions[self.begun - 1]

    def connect(self, one: Open) -> None:
        """The next session comes over a connection."""
        one.kind, one.messages = "connection", list(self.begin())
        self.hand(one)

    def hand(self, one: Open) -> None:
        """The next message of a connection comes in; behind the last one the peer waits a while."""
        if one.messages:
            one.data += one.messages.pop(0)
        if not one.messages and one.over is None:
            one.over = self.clock + PATIENCE

    def can_hear(self, one: Open) -> bool:
        """Whether there is something to be taken, or the end."""
        is_let_in = self.may_begin and self.left
        match one.kind:
            case "datagrams":
                return bool(one.messages) or (self.is_meant(one) and (bool(self.waiting) or is_let_in))
            case "listening":
                return bool(one.pending) or (self.is_meant(one) and is_let_in)
            case "connection":
                return bool(one.data or one.messages) or (one.over is not None and self.clock >= one.over)
            case "pair":
                return bool(one.data or one.messages) or one.peer is None or one.peer.holders <= 0
            case "timer":
                return one.due is not None and self.clock >= one.due
            case "event":
                return one.at > 0
        return one.kind != "silent"

    def talks(self, one: Open) -> bool:
        """Whether the standard input is a connection that a server of servers (inetd) hands over."""
        return one.kind == "stdin" and not (one.data or self.ports or self.script.environment) and self.left

    def datagram(self, one: Open) -> bytes | None:
        """The next datagram for a socket, None when there is none."""
        if not self.can_hear(one):
            return None
        if one.messages:
            return one.messages.pop(0)
        if not self.waiting:
            self.waiting = list(self.begin())
        return self.waiting.pop(0) if self.waiting else b""
