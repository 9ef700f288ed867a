"""What the proxy says and is told."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple


class Learned(NamedTuple):
    """`device` may reach `address`, which it looked up by `name`, for `seconds` from now."""

    device: str
    name: str
    address: str
    seconds: int


class Permission(NamedTuple):
    """Whether a device may look a name up, and why not."""

    allowed: bool
    reason: str = ""


class Refusal(NamedTuple):
    """Something that a device asked and did not get: shown to the owner, who may approve it."""

    device: str
    name: str
    reason: str


Permitted = Callable[[str, str], Permission]
"""(device, name in lower case without the last dot) -> Permission. Called for every query: quick and pure."""

Commit = Callable[[tuple[Learned, ...]], Awaitable[None]]
"""Returns when the kernel knows. The answer is released only after that."""

Notify = Callable[[Refusal], None]
