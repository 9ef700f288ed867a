"""tar: ustar, GNU long names and pax headers. Source: POSIX.1-2017 pax; the GNU tar manual."""

from collections.abc import Iterator

import msgspec

from customhouse.model import NodeKind

from ..format import DONE, Ending, Extent, Format, Magic, Malformed, Meta, TreeWriter, Window

_BLOCK = 512
_PIECE = 1 << 20
_LONGEST_NAME = 1 << 16
_SPECIAL = {b"3": NodeKind.CHARACTER_DEVICE, b"4": NodeKind.BLOCK_DEVICE, b"6": NodeKind.FIFO}


class _Member(msgspec.Struct, frozen=True):
    name: bytes
    target: bytes
    kind: bytes
    meta: Meta
    device: tuple[int, int]
    start: int
    size: int


class Tar(Format):
    name = "tar"
    title = "tar archive: ustar, GNU, pax"
    magics = (Magic(257, rb"ustar(?:\x00|  \x00)", regex=True),)
    limits = "sparse files are kept as stored"

    def _probe(self, data: Window) -> Extent | None:
        at, members = 0, 0
        while header := _header(data, at):
            at += _BLOCK + _rounded(_number(header[124:136]))
            members += 1
        if not members:
            return None
        while data.read(at, _BLOCK) == bytes(_BLOCK):
            at += _BLOCK
        return Extent(size=min(at, data.size))

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        for member in _members(data):
            _write(data, member, tree)
        return DONE


def _header(data: Window, at: int) -> bytes | None:
    """The header at `at` when its checksum holds."""
    header = data.read(at, _BLOCK)
    if len(header) < _BLOCK or not header[0]:
        return None
    try:
        wanted = _number(header[148:156])
    except Malformed:
        return None
    return header if sum(header) - sum(header[148:156]) + 8 * 0x20 == wanted else None


def _number(field: bytes) -> int:
    """Octal text, or base 256 where the top bit is set."""
    if field[:1] >= b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    try:
        return int(digits or b"0", 8)
    except ValueError:
        raise Malformed("a number of a tar header is not octal") from None


def _rounded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _members(data: Window) -> Iterator[_Member]:
    at = 0
    pending: dict[bytes, bytes] = {}
    while header := _header(data, at):
        kind, size = header[156:157], _number(header[124:136])
        if kind in (b"L", b"K", b"x", b"g"):
            text = data.exactly(at + _BLOCK, min(size, _LONGEST_NAME))
            if kind != b"g":
                pending |= (
                    _pax(text) if kind == b"x" else {b"path" if kind == b"L" else b"linkpath": text.split(b"\0")[0]}
                )
        else:
            size = int(pending.get(b"size", b"%d" % size))
            yield _member(header, pending, at + _BLOCK, size)
            pending = {}
            size = size if kind not in b"123456" or kind == b"" else 0
        at += _BLOCK + _rounded(size)


def _pax(text: bytes) -> dict[bytes, bytes]:
    found = {}
    while text:
        length = text.split(b" ", 1)[0]
        if not length.isdigit() or not 0 < int(length) <= len(text):
            break
        record, text = text[len(length) + 1 : int(length) - 1], text[int(length) :]
        key, _, value = record.partition(b"=")
        if key != b"size" or value.isdigit():
            found[key] = value
    return found


def _member(header: bytes, pax: dict[bytes, bytes], start: int, size: int) -> _Member:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    meta = Meta(mode=_number(header[100:108]) & 0o7777, uid=_number(header[108:116]), gid=_number(header[116:124]))
    device = (_number(header[329:337]), _number(header[337:345]))
    target = header[157:257].split(b"\0")[0]
    return _Member(
        pax.get(b"path", prefix + b"/" + name if prefix else name), pax.get(b"linkpath", target), header[156:157], meta,
        device, start, size,
    )  # fmt: skip


def _write(data: Window, member: _Member, tree: TreeWriter) -> None:
    name, kind = member.name.lstrip(b"/"), member.kind
    if kind == b"5" or (kind in (b"0", b"\0") and name.endswith(b"/")):
        tree.directory(name, member.meta)
    elif kind == b"2":
        tree.symlink(name, member.target, member.meta)
    elif kind == b"1":
        tree.link(name, member.target.lstrip(b"/"))
    elif kind in _SPECIAL:
        tree.special(name, _SPECIAL[kind], None if kind == b"6" else member.device, member.meta)
    else:
        tree.file(name, _content(data, member.start, member.size), member.meta)


def _content(data: Window, start: int, size: int) -> Iterator[bytes]:
    for at in range(start, start + size, _PIECE):
        wanted = min(_PIECE, start + size - at)
        piece = data.read(at, wanted)
        yield piece
        if len(piece) < wanted:
            raise Malformed("the archive ends inside a file")
