"""Zip archives of records: OSV's ecosystems and the CVE list.

Read member by member, with limits, never unpacked to disk.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from .errors import WrongSchema

MOST_MEMBERS = 2_000_000
MOST_MEMBER_BYTES = 32 << 20


def members(path: Path, suffix: str = ".json") -> Iterator[tuple[str, bytes]]:
    """(name, content) of every member that ends with `suffix`. Raises WrongSchema for a damaged archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_MEMBERS:
                raise WrongSchema(f"{path.name}: {len(entries)} members")
            for entry in entries:
                if not entry.filename.endswith(suffix):
                    continue
                if entry.file_size > MOST_MEMBER_BYTES:
                    raise WrongSchema(f"{path.name}: {entry.filename} unpacks to {entry.file_size} bytes")
                yield entry.filename, archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise WrongSchema(f"{path.name}: a damaged archive ({error})") from None
