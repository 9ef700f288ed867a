"""The words that a whole program stores under one root, regardless of order."""

from collections.abc import Callable

from .terms import apart, overlap

SPREAD = 1 << 16
"""How far apart two places of one array are at most, in bytes."""
_MAX_STRIDED = 400
MAX_VALUES = 60


class Cells:
    """The words stored under one root: by exact offset, and those of arrays."""

    def __init__(self, end: Callable[[int, int], int] | None = None) -> None:
        self.exact: dict[int, dict[int, None]] = {}
        self.strided: dict[tuple[int, int, int], None] = {}
        self.end = end or (lambda place, _step: place + SPREAD)
        """Where an array ends that begins at a place, by its step."""

    def add(self, offset: int, stride: int, value: int) -> bool:
        if stride:
            key = (offset, stride, value)
            if key in self.strided or len(self.strided) > _MAX_STRIDED:
                return False
            self.strided[key] = None
            return True
        values = self.exact.setdefault(offset, {})
        if value in values or len(values) > MAX_VALUES:
            return False
        values[value] = None
        return True

    def at(self, offset: int, stride: int, fits: Callable[[int, int, int], bool] | None = None) -> list[int]:
        """What may be stored at a place. `fits` says of an offset, a step and a value whether it is asked for."""
        out: list[int] = []
        if not stride:
            out += [one for one in self.exact.get(offset, ()) if fits is None or fits(offset, 0, one)]
        else:
            end = self.end(offset, stride)
            for place, values in self.exact.items():
                if offset <= place < end and overlap(offset, stride, place, 0):
                    out += [one for one in values if fits is None or fits(place, 0, one)]
        for place, step, value in self.strided:
            if (place < offset and self.end(place, step) <= offset) or (stride and place >= self.end(offset, stride)):
                continue
            if stride and apart((place, step), (offset, stride)):
                continue
            if fits is not None and not fits(place, step, value):
                continue
            if abs(place - offset) < SPREAD and overlap(offset, stride, place, step):
                out.append(value)
        return out[:MAX_VALUES]

    def all(self) -> list[int]:
        return [value for values in self.exact.values() for value in values] + [value for _, _, value in self.strided]
