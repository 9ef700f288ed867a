"""Rates as the kernel holds them: a token bucket over bytes of IP packets."""

import math
from dataclasses import dataclass

from customhouse.model.profile import Rate

SMALLEST_DEPTH = 1600
"""Bytes. A bucket that cannot hold one full packet would never let one through."""


@dataclass(frozen=True, order=True)
class Pace:
    """`speed` bytes a second; `burst` bytes beyond one second's worth (the kernel's bucket holds both together)."""

    speed: int
    burst: int

    @property
    def chain(self) -> str:
        """Chain and, with `bucket_` before it, set that hold all devices of this pace."""
        return f"pace_{self.speed}_{self.burst}"


def pace_of(rate: Rate) -> Pace:
    """The pace for a rate, rounded to three digits upwards so that devices share few of them."""
    speed = max(1, math.ceil(rate.bits_per_second / 8))
    depth = max(SMALLEST_DEPTH, rate.burst, speed)
    return Pace(speed, _three_digits(depth - speed))


def _three_digits(number: int) -> int:
    unit = int(10 ** max(0, len(str(number)) - 3))
    return -(-number // unit) * unit
