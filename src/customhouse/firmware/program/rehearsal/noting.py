"""Memory that tells what functions of the C library write to some of its parts."""

from ..elf import Image
from ..ram import Ram


class Noting(Ram):
    """`noted` are bytes that were written into the parts that are to be told of, and where."""

    def __init__(self, image: Image) -> None:
        super().__init__(image)
        self.noted: list[tuple[int, bytes]] = []
        self._parts: list[tuple[int, int]] = []

    def note(self, start: int, size: int) -> None:
        """Tell from now on of what is written there."""
        self._parts.append((start, start + size))

    def write(self, address: int, data: bytes) -> None:
        if len(data) > 1 and any(start <= address < end for start, end in self._parts):
            self.noted.append((address, data))
        super().write(address, data)
