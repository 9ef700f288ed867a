"""Ranges in several dimensions made disjoint: the kernel refuses elements of an interval set that overlap in part."""

from collections.abc import Iterable, Iterator

Span = tuple[int, int]
Box = tuple[Span, ...]


def _overlap(one: Box, other: Box) -> bool:
    return all(a[0] <= b[1] and b[0] <= a[1] for a, b in zip(one, other, strict=True))


def subtract(box: Box, hole: Box) -> Iterator[Box]:
    """The parts of `box` outside `hole`, disjoint."""
    if not _overlap(box, hole):
        yield box
        return
    rest = box
    for axis, (first, last) in enumerate(hole):
        low, high = rest[axis]
        if low < first:
            yield (*rest[:axis], (low, first - 1), *rest[axis + 1 :])
            low = first
        if high > last:
            yield (*rest[:axis], (last + 1, high), *rest[axis + 1 :])
            high = last
        rest = (*rest[:axis], (low, high), *rest[axis + 1 :])


def disjoint(boxes: Iterable[Box]) -> Iterator[tuple[int, Box]]:
    """Each box less all earlier ones, with the position of the box it came from. Earlier boxes win."""
    taken: list[Box] = []
    for position, box in enumerate(boxes):
        parts = [box]
        for earlier in taken:
            parts = [piece for part in parts for piece in subtract(part, earlier)]
        taken.extend(parts)
        for part in parts:
            yield position, part
