"""How much an image may ask for."""

import msgspec


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What an image may grow to. `output` in bytes, `seconds` of wall-clock time."""

    output: int = 2 << 30
    single: int = 512 << 20
    entries: int = 200_000
    depth: int = 10
    seconds: float = 600.0
