"""C bit fields as file systems store them: from the low bit in little-endian images, else from the high bit."""


class Bits:
    """The fields packed into some bytes, drawn in the order of declaration."""

    def __init__(self, raw: bytes, order: str) -> None:
        self._value = int.from_bytes(raw, "little" if order == "<" else "big")
        self._left = len(raw) * 8
        self._low_first = order == "<"

    def take(self, bits: int) -> int:
        """The next field of that many bits."""
        self._left -= bits
        if self._low_first:
            value = self._value & ((1 << bits) - 1)
            self._value >>= bits
            return value
        return (self._value >> self._left) & ((1 << bits) - 1)
