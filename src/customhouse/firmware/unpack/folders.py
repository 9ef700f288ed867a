"""A folder on this machine, taken in as the entries of a volume. No link is followed, no special file is opened."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from customhouse.model import NodeKind

from .format import Malformed, Meta, TreeWriter

_PIECE = 1 << 20
_SPECIAL = {
    stat.S_IFCHR: NodeKind.CHARACTER_DEVICE,
    stat.S_IFBLK: NodeKind.BLOCK_DEVICE,
    stat.S_IFIFO: NodeKind.FIFO,
    stat.S_IFSOCK: NodeKind.SOCKET,
}


def walk(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """Everything below a folder, parents before children, in a fixed order."""
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            continue
        yield from entries
        waiting.extend(entry.path for entry in reversed(entries) if entry.is_dir(follow_symlinks=False))


def take_in_folder(folder: Path, tree: TreeWriter, *, owners: bool = False) -> int:
    """Write everything below `folder` through `tree`; returns how many. `owners` says that they mean something."""
    count = 0
    base = len(os.fsencode(folder)) + 1
    for entry in walk(folder):
        path, facts = os.fsencode(entry.path)[base:], entry.stat(follow_symlinks=False)
        owner = (facts.st_uid, facts.st_gid) if owners else (0, 0)
        meta = Meta(mode=stat.S_IMODE(facts.st_mode), uid=owner[0], gid=owner[1])
        kind = stat.S_IFMT(facts.st_mode)
        count += 1
        if kind == stat.S_IFLNK:
            tree.symlink(path, os.fsencode(os.readlink(entry.path)), meta)  # noqa: PTH115 – keeps the bytes as stored
        elif kind == stat.S_IFDIR:
            tree.directory(path, meta)
        elif kind == stat.S_IFREG:
            tree.file(path, _pieces(entry.path), meta)
        else:
            numbered = kind in (stat.S_IFCHR, stat.S_IFBLK)
            device = (os.major(facts.st_rdev), os.minor(facts.st_rdev)) if numbered else None
            tree.special(path, _SPECIAL.get(kind, NodeKind.SOCKET), device, meta)
    return count


def _pieces(path: str) -> Iterator[bytes]:
    try:
        with Path(path).open("rb") as source:
            while piece := source.read(_PIECE):
                yield piece
    except OSError as trouble:
        raise Malformed(trouble.strerror or str(trouble)) from trouble
