"""Memory of an emulated program: its segments, and pages that exist once they are written."""

from typing import Literal

from .elf import Image

PAGE = 4096
_SHIFT = 12


class Fault(Exception):
    """The emulated code did what it cannot do here: touched memory that is none, or an operation without a meaning."""


class Ram:
    """Copy on write, so that a state of the whole memory is kept and taken up again by copying a table."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.order: Literal["big", "little"] = "big" if image.big else "little"
        self.mask = (1 << (8 * image.word)) - 1
        self.fixed: dict[int, bytes] = {}
        self.written: dict[int, bytearray] = {}
        self.offered: dict[int, bytes] = {}
        """Pages that hold something until the next `restore`, and `touched` says which of them were looked at."""
        self.touched: set[int] = set()
        self.regions: list[tuple[int, int]] = [(one.start, one.end) for one in image.segments]

    def reserve(self, start: int, size: int) -> None:
        """Zeroed memory that may be used from now on."""
        self.regions.append((start, start + size))

    def freeze(self) -> None:
        """What memory holds now is what `restore` brings back."""
        for number, page in self.written.items():
            self.fixed[number] = bytes(page)
        self.written.clear()

    def restore(self) -> None:
        self.written.clear()
        for number in self.touched:
            self.fixed.pop(number, None)
        self.offered.clear()
        self.touched.clear()

    def offer(self, address: int, data: bytes) -> None:
        """Put a page of which it is to be known whether anything looks at it."""
        self.offered[address >> _SHIFT] = data.ljust(PAGE, b"\0")

    def was_touched(self, address: int) -> bool:
        return address >> _SHIFT in self.touched

    def _initial(self, number: int) -> bytes:
        found = self.fixed.get(number)
        if found is None and number in self.offered:
            self.touched.add(number)
            found = self.fixed[number] = self.offered[number]
        if found is None:
            low = number << _SHIFT
            if not any(start < low + PAGE and low < end for start, end in self.regions):
                raise Fault(f"no memory at {low:#x}")
            page = bytearray(PAGE)
            for one in self.image.segments:
                if one.start < low + PAGE and low < one.start + len(one.data):
                    start = max(one.start, low)
                    part = one.data[start - one.start : low + PAGE - one.start]
                    page[start - low : start - low + len(part)] = part
            found = self.fixed[number] = bytes(page)
        return found

    def load(self, address: int, size: int) -> int:
        number, at = address >> _SHIFT, address & (PAGE - 1)
        page = self.written.get(number) or self.fixed.get(number)
        if page is None:
            page = self._initial(number)
        if at + size <= PAGE:
            return page[at] if size == 1 else int.from_bytes(page[at : at + size], self.order)
        return int.from_bytes(self.read(address, size), self.order)

    def store(self, address: int, value: int, size: int) -> None:
        number, at = address >> _SHIFT, address & (PAGE - 1)
        page = self.written.get(number)
        if page is None:
            page = self.written[number] = bytearray(self._initial(number))
        if at + size <= PAGE:
            page[at : at + size] = value.to_bytes(size, self.order)
        else:
            self.write(address, value.to_bytes(size, self.order))

    def read(self, address: int, size: int) -> bytes:
        out = bytearray()
        while len(out) < size:
            place = (address + len(out)) & self.mask
            number, at = place >> _SHIFT, place & (PAGE - 1)
            page = self.written.get(number) or self._initial(number)
            out += page[at : at + size - len(out)]
        return bytes(out)

    def write(self, address: int, data: bytes) -> None:
        done = 0
        while done < len(data):
            place = (address + done) & self.mask
            number, at = place >> _SHIFT, place & (PAGE - 1)
            page = self.written.get(number)
            if page is None:
                page = self.written[number] = bytearray(self._initial(number))
            part = data[done : done + PAGE - at]
            page[at : at + len(part)] = part
            done += len(part)

    def text(self, address: int, limit: int = 256) -> bytes | None:
        """The NUL-terminated bytes at an address; None where there is no memory or no end."""
        try:
            found = self.read(address, limit)
        except Fault:
            return None
        end = found.find(b"\0")
        return found[:end] if end >= 0 else None

    def word(self, address: int) -> int:
        return self.load(address, self.image.word)
