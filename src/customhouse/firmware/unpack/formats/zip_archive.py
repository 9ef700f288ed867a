"""ZIP archives. Source: APPNOTE.TXT."""

import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator

from customhouse.model import Outcome

from ..format import DONE, Ending, Extent, Format, Magic, Malformed, Meta, TreeWriter, Window

_END = b"PK\x05\x06"
_END_SIZE = 22
_LATER = 0xFFFFFFFF  # the true value stands in the records of ZIP64
_PIECE = 1 << 20
_ENCRYPTED = 0x1
_UNIX = 3
_LONGEST_TARGET = 4096
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError, struct.error,
)  # fmt: skip
"""What `zipfile` raises over bytes in memory that are damaged. OSError is bzip2's: no disk is read, and what writing
raises must not be caught as a fault of the archive. NotImplementedError is not among them: `zipfile` raises it for a
version or a way of packing that it does not know, and such an archive may be sound.
"""


class ZipArchive(Format):
    name = "zip"
    title = "ZIP archive"
    magics = (Magic(0, b"PK\x03\x04"),)
    limits = "encrypted entries are named, not read; archives split over several files are not read"

    def _probe(self, data: Window) -> Extent | None:
        """The archive ends at the first end record whose directory lies where it says."""
        view, at = data.view(), 0
        haystack = bytes(view) if data.size <= 64 << 20 else b""
        while (at := haystack.find(_END, at)) >= 0:
            if at + _END_SIZE > data.size:
                return None
            *_counts, size, start, comment = struct.unpack_from("<4H2IH", haystack, at + 4)
            if _LATER in (size, start) and (whole := _zip64(haystack, at)):
                return Extent(size=min(at + _END_SIZE + comment, data.size), detail={"directory entries": str(whole)})
            if start + size == at and haystack[start : start + 4] == b"PK\x01\x02":
                return Extent(size=min(at + _END_SIZE + comment, data.size))
            at += 4
        return None

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        try:
            archive = zipfile.ZipFile(io.BytesIO(data.view()))
        except NotImplementedError as trouble:
            return Ending(Outcome.UNSUPPORTED, str(trouble))
        except _DAMAGED as trouble:
            return Ending(Outcome.FAILED, str(trouble))
        locked = sum(_write(archive, entry, tree) for entry in archive.infolist())
        return Ending(Outcome.PARTIAL, f"{locked} entries are encrypted") if locked else DONE


def _zip64(haystack: bytes, end: int) -> int:
    """Entries of the directory that the end record of ZIP64 before the plain one describes; 0 where none holds."""
    locator = end - 20
    if locator < 56 or haystack[locator : locator + 4] != b"PK\x06\x07":
        return 0
    _disk, record, _disks = struct.unpack_from("<IQI", haystack, locator + 4)
    if record + 56 > locator or haystack[record : record + 4] != b"PK\x06\x06":
        return 0
    entries, size, start = struct.unpack_from("<3Q", haystack, record + 32)
    return entries if start + size == record and haystack[start : start + 4] == b"PK\x01\x02" else 0


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, tree: TreeWriter) -> bool:
    """Write one entry; true when it is encrypted."""
    name = _stored(entry)
    mode = entry.external_attr >> 16 if entry.create_system == _UNIX else 0
    if entry.is_dir():
        tree.directory(name, Meta(mode=stat.S_IMODE(mode) or 0o755))
        return False
    if entry.flag_bits & _ENCRYPTED:
        tree.trouble(f"{entry.filename!r} is encrypted")
        return True
    if stat.S_ISLNK(mode):
        _link(archive, entry, name, tree)
    else:
        tree.file(name, _content(archive, entry), Meta(mode=stat.S_IMODE(mode) or 0o644))
    return False


def _stored(entry: zipfile.ZipInfo) -> bytes:
    """The name's bytes as they stand in the archive; a later field may tell it in Unicode instead."""
    try:
        return entry.filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437", "surrogateescape")
    except UnicodeEncodeError:
        return entry.filename.encode("utf-8", "surrogateescape")


def _link(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: bytes, tree: TreeWriter) -> None:
    """A link's target is its content; no more of that is read than a target can be long."""
    try:
        target = next(_content(archive, entry, _LONGEST_TARGET), b"")
    except Malformed as trouble:
        tree.trouble(f"{entry.filename!r}: {trouble}")
    else:
        tree.symlink(name, target, Meta(mode=0o777))


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, piece: int = _PIECE) -> Iterator[bytes]:
    try:
        with archive.open(entry) as source:
            while read := source.read(piece):
                yield read
    except NotImplementedError as trouble:
        raise Malformed(f"packed in a way that is not read ({trouble})") from trouble
    except _DAMAGED as trouble:
        raise Malformed(str(trouble)) from trouble
