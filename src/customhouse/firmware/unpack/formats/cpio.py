"""cpio: the archives that kernels carry as their first root file system.

Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import stat
from collections.abc import Iterator

import msgspec

from customhouse.model import NodeKind

from ..format import DONE, Ending, Extent, Format, Magic, Malformed, Meta, TreeWriter, Window

_TRAILER = b"TRAILER!!!"
_NEW = (b"070701", b"070702")
_LONGEST_NAME = 4096
_PIECE = 1 << 20
_SPECIAL = {
    stat.S_IFCHR: NodeKind.CHARACTER_DEVICE,
    stat.S_IFBLK: NodeKind.BLOCK_DEVICE,
    stat.S_IFIFO: NodeKind.FIFO,
    stat.S_IFSOCK: NodeKind.SOCKET,
}


class _Member(msgspec.Struct, frozen=True, kw_only=True):
    name: bytes
    inode: tuple[int, int]
    mode: int
    uid: int
    gid: int
    links: int
    device: tuple[int, int]
    start: int
    size: int
    following: int


class Cpio(Format):
    name = "cpio"
    title = "cpio archive: newc, crc, odc"
    magics = (
        Magic(0, rb"07070[12][0-9A-Fa-f]{8}0[0-9A-Fa-f]{7}", regex=True),
        Magic(0, rb"070707[0-7]{12}[01]", regex=True),
    )
    limits = "the old binary headers are left to unblob"

    def _probe(self, data: Window) -> Extent | None:
        end, members = 0, 0
        for member in _members(data):
            end, members = member.following, members + 1
            if member.name == _TRAILER:
                rest = data.read(end, -end % 512)
                return Extent(size=end + len(rest) if not rest.strip(b"\0") else end)
        return Extent(size=min(end, data.size), detail={"damaged": "it has no trailer"}) if members > 1 else None

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        linked: dict[tuple[int, int], bytes] = {}
        waiting: dict[tuple[int, int], list[bytes]] = {}
        for member in _members(data):
            if member.name == _TRAILER:
                return DONE
            _write(data, member, tree, linked, waiting)
        tree.trouble("it ends without a trailer")
        return DONE


def _members(data: Window) -> Iterator[_Member]:
    at = 0
    while at < data.size:
        magic = data.read(at, 6)
        if magic not in (*_NEW, b"070707"):
            return
        try:
            member = _old(data, at) if magic == b"070707" else _new(data, at)
        except ValueError:  # digits that are none, or bytes that are missing
            return
        yield member
        if member.name == _TRAILER:
            return
        at = member.following


def _new(data: Window, at: int) -> _Member:
    header = data.exactly(at + 6, 104)
    field = [int(header[n : n + 8], 16) for n in range(0, 104, 8)]
    inode, mode, uid, gid, links, _mtime, size, major, minor, rmajor, rminor, length, _check = field
    name = _name(data, at + 110, length)
    start = (at + 110 + length + 3) // 4 * 4
    return _Member(
        name=name, inode=((major << 32) | minor, inode), mode=mode, uid=uid, gid=gid, links=links,
        device=(rmajor, rminor), start=start, size=size, following=(start + size + 3) // 4 * 4,
    )  # fmt: skip


def _old(data: Window, at: int) -> _Member:
    header = data.exactly(at + 6, 70)
    device, inode, mode, uid, gid, links, rdev = (int(header[n : n + 6], 8) for n in range(0, 42, 6))
    length, size = int(header[53:59], 8), int(header[59:70], 8)
    start = at + 76 + length
    return _Member(
        name=_name(data, at + 76, length), inode=(device, inode), mode=mode, uid=uid, gid=gid, links=links,
        device=(rdev >> 8, rdev & 0xFF), start=start, size=size, following=start + size,
    )  # fmt: skip


def _name(data: Window, at: int, length: int) -> bytes:
    if not 0 < length <= _LONGEST_NAME:
        raise Malformed("a name has an impossible length")
    return data.exactly(at, length).rstrip(b"\0")


def _write(
    data: Window,
    member: _Member,
    tree: TreeWriter,
    linked: dict[tuple[int, int], bytes],
    waiting: dict[tuple[int, int], list[bytes]],
) -> None:
    meta = Meta(mode=member.mode & 0o7777, uid=member.uid, gid=member.gid)
    name, kind = member.name.lstrip(b"/"), stat.S_IFMT(member.mode)
    if kind == stat.S_IFDIR:
        tree.directory(name, meta)
    elif kind == stat.S_IFLNK:
        tree.symlink(name, data.exactly(member.start, min(member.size, _LONGEST_NAME)), meta)
    elif kind in _SPECIAL:
        has_number = kind in (stat.S_IFCHR, stat.S_IFBLK)
        tree.special(name, _SPECIAL[kind], member.device if has_number else None, meta)
    elif member.links > 1 and not member.size and member.inode not in linked:
        waiting.setdefault(member.inode, []).append(name)  # newc keeps the content with the last of the links
        tree.file(name, (), meta)
    elif member.links > 1 and member.inode in linked and not member.size:
        tree.link(name, linked[member.inode])
    else:
        linked[member.inode] = name
        tree.file(name, _content(data, member.start, member.size), meta)
        for earlier in waiting.pop(member.inode, ()):
            tree.link(earlier, name)


def _content(data: Window, start: int, size: int) -> Iterator[bytes]:
    for at in range(start, start + size, _PIECE):
        wanted = min(_PIECE, start + size - at)
        piece = data.read(at, wanted)
        yield piece
        if len(piece) < wanted:
            raise Malformed("the archive ends inside a file")
