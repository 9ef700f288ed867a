"""Zip archives of records: OSV's ecosystems and the CVE list.

Read member by member, with limits, never unpacked to disk.
"""

import errno
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from .errors import WrongSchema

MOST_MEMBERS = 2_000_000
MOST_MEMBER_BYTES = 32 << 20
_ENCRYPTED = 0x1
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, OverflowError, struct.error)
"""What `zipfile` raises over bytes that are no archive."""


def members(path: Path, suffix: str = ".json") -> Iterator[tuple[str, bytes]]:
    """(name, content) of every member that ends with `suffix`. Raises WrongSchema for an archive that is damaged,
    encrypted, packed in a way that is not known, or too large; OSError when the file itself cannot be read.
    """
    with path.open("rb") as file:
        try:
            yield from _members(zipfile.ZipFile(file), path.name, suffix)
        except _DAMAGED as error:
            raise WrongSchema(f"{path.name}: a damaged archive ({error})") from None
        except NotImplementedError as error:
            raise WrongSchema(f"{path.name}: an archive of a kind that is not read ({error})") from None
        except OSError as error:
            if error.errno not in (None, errno.EINVAL):  # bzip2's, or a place before the file's start: damage
                raise
            raise WrongSchema(f"{path.name}: a damaged archive ({error})") from None


def _members(archive: zipfile.ZipFile, name: str, suffix: str) -> Iterator[tuple[str, bytes]]:
    entries = archive.infolist()
    if len(entries) > MOST_MEMBERS:
        raise WrongSchema(f"{name}: {len(entries)} members")
    for entry in entries:
        if not entry.filename.endswith(suffix):
            continue
        if entry.flag_bits & _ENCRYPTED:
            raise WrongSchema(f"{name}: {entry.filename} is encrypted")
        if entry.file_size > MOST_MEMBER_BYTES:
            raise WrongSchema(f"{name}: {entry.filename} unpacks to {entry.file_size} bytes")
        yield entry.filename, archive.read(entry)
