"""Threads and processes of a rehearsed program, which take turns, and why a turn ends."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from .copies import Frame
from .world import Open


class Blocked(Exception):  # no error: control flow
    """The call cannot be answered before something holds; it is made again then."""

    def __init__(self, until: Callable[[], bool], at: float | None = None) -> None:
        super().__init__("blocked")
        self.until, self.at = until, at


class Gone(Exception):
    """The thread, or its process, has ended."""


class Handler(NamedTuple):
    """What a process does about a signal: 0 what is usual, 1 nothing, otherwise a function of its own. Calls that wait
    are made again behind it if it `restarts` them.
    """

    function: int = 0
    restarts: bool = False


class Standing(NamedTuple):
    """Registers, and where a thread stands."""

    file: bytes
    pc: int
    thumb: bool


class Suspended(NamedTuple):
    """Where a thread goes on behind a signal's handler. The call that it waited in fails if it was `interrupted`."""

    standing: Standing
    interrupted: bool


@dataclass(eq=False)
class Process:
    """Memory of its own and descriptors. `status` is what the parent is told."""

    number: int
    written: dict[int, bytearray]
    open: dict[int, Open]
    parent: int = 0
    ended: bool = False
    status: int = 0
    handlers: dict[int, Handler] = field(default_factory=dict)
    alarm: float | None = None
    every: float = 0.0
    """When the alarm rings, and how many seconds later again."""


@dataclass(eq=False)
class Thread:
    """Where a thread stands. `until` says when it can go on, `at` when that is looked at again."""

    number: int
    process: Process
    standing: Standing
    until: Callable[[], bool] | None = None
    at: float | None = None
    ended: bool = False
    leads: bool = False
    """Whether the process ends with it."""
    room: int = 0
    """Which of the stacks of threads is its."""
    suspended: list[Suspended] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    """Functions that were called, the outermost one first."""
