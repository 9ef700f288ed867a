"""What a squashfs still gives when a block of its tables is damaged: inodes read in a row instead of through names.

Inodes stand one behind the other, children before their folder, so that a folder whose own parent is lost is still
found, with all the names in it. Behind a damaged block nothing is read: where the next inode starts is not known there.
"""

from collections.abc import Callable, Iterator

from ..format import Malformed
from .squashfs_layout import Cursor, Entry, Inode, Kind

_MOST = 1 << 20
Place = tuple[int, int]
"""Block from the start of the inode table, and offset within."""


def inodes_in_a_row(
    cursor: Cursor, read: Callable[[Cursor], Inode], table: int, count: int
) -> Iterator[tuple[Place, Inode]]:
    """Each inode with its place, up to the first that cannot be read. `table` is where the inode table starts."""
    for _ in range(min(count, _MOST)):
        block, offset = cursor.place
        try:
            node = read(cursor)
        except Malformed:
            return
        yield (block - table, offset), node


def lost_folders(
    found: list[tuple[Place, Inode]], seen: set[Place], listing: Callable[[Inode], list[Entry]]
) -> list[tuple[Place, Inode]]:
    """Folders that were not reached from the root and that no other such folder holds."""
    folders = {place: node for place, node in found if node.kind is Kind.DIRECTORY and place not in seen}
    held: set[Place] = set()
    for node in folders.values():
        try:
            held |= {(entry.block, entry.offset) for entry in listing(node)}
        except Malformed:
            continue
    return [(place, node) for place, node in folders.items() if place not in held]
