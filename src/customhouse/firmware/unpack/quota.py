"""How much an image may ask for."""

import msgspec


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What an image may grow to.

    `output`, `single` (one file) and `names` (all paths and link targets) in bytes, `seconds` of wall-clock time.
    """

    output: int = 2 << 30
    single: int = 512 << 20
    entries: int = 200_000
    names: int = 32 << 20
    depth: int = 10
    seconds: float = 600.0
