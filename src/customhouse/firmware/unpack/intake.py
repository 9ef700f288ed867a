"""What the user handed over: is it an image, a folder of partitions, or a root file system?"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from customhouse.host.errors import InputError
from customhouse.model import Digest, Image

_PIECE = 1 << 20
_LARGEST = 16 << 30
_MOST_PARTS = 512


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """The image, and where its parts lie. `root` is set for a root file system handed over as a folder."""

    image: Image
    parts: tuple[tuple[str, Path], ...] = ()
    root: Path | None = None


def take_in(path: Path) -> Intake:
    """Look at what `path` is and read it once for its digest. Raises `InputError` with one clear line."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file or folder") from None
    except OSError as trouble:
        raise InputError(f"{path}: {trouble.strerror or trouble}") from trouble
    if stat.S_ISDIR(facts.st_mode):
        return _folder(path)
    if not stat.S_ISREG(facts.st_mode):
        raise InputError(
            f"{path} is {_kind(facts.st_mode)}, not a firmware image", "copy its content into a file first"
        )
    if not facts.st_size:
        raise InputError(f"{path} is empty")
    digest, size = _digest(path)
    return Intake(image=Image(name=path.name, size=size, sha256=digest), parts=(("", path.resolve()),))


def _kind(mode: int) -> str:
    for test, name in (
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISCHR, "a character device"),
        (stat.S_ISBLK, "a block device"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return name
    return "something else"


def _digest(path: Path) -> tuple[Digest, int]:
    hasher, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as source:
            while piece := source.read(_PIECE):
                hasher.update(piece)
                size += len(piece)
                if size > _LARGEST:
                    raise InputError(f"{path} is larger than {_LARGEST >> 30} GiB")
    except OSError as trouble:
        raise InputError(f"{path}: {trouble.strerror or trouble}") from trouble
    return Digest(hasher.hexdigest()), size


def _folder(path: Path) -> Intake:
    inside = _only_folder(path)
    for root in (path, inside):
        if root is not None and _looks_like_a_root(root):
            return _root(root)
    parts = [(name, entry) for name, entry in _regular_files(path) if entry.stat().st_size]
    if not parts:
        raise InputError(f"{path} is a folder without any file that holds bytes")
    if len(parts) > _MOST_PARTS:
        raise InputError(f"{path} holds more than {_MOST_PARTS} files and is no root file system")
    hasher, total = hashlib.sha256(), 0
    for name, entry in parts:
        digest, size = _digest(entry)
        hasher.update(f"{name}\0{digest}\n".encode("utf-8", "surrogateescape"))
        total += size
    image = Image(
        name=path.resolve().name, size=total, sha256=Digest(hasher.hexdigest()), parts=tuple(name for name, _ in parts)
    )
    return Intake(image=image, parts=tuple((name, entry.resolve()) for name, entry in parts))


def _regular_files(folder: Path) -> list[tuple[str, Path]]:
    """Regular files below a folder, by name; links are not followed."""
    found = []
    for base, folders, names in os.walk(folder):
        folders.sort()
        for name in names:
            entry = Path(base, name)
            if stat.S_ISREG(entry.lstat().st_mode):
                found.append((str(entry.relative_to(folder)), entry))
    return sorted(found)


def _looks_like_a_root(folder: Path) -> bool:
    """Directories as a root file system has them; a link `bin -> usr/bin` counts too."""
    return _is_there(folder / "etc") and any(_is_there(folder / name) for name in ("bin", "sbin", "usr", "lib"))


def _only_folder(folder: Path) -> Path | None:
    """The one thing in a folder, when it is a folder: what `unsquashfs -d out/root` and many tools leave."""
    with contextlib.suppress(OSError):
        entries = list(folder.iterdir())
        if len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink():
            return entries[0]
    return None


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.is_dir()


def _root(path: Path) -> Intake:
    """The digest covers names, kinds, modes, owners and contents: all that an unpacking will tell."""
    hasher, total = hashlib.sha256(b"root file system\n"), 0
    for name, entry in _entries(path):
        facts = entry.lstat()
        described = f"{name}\0{facts.st_mode:o} {facts.st_uid} {facts.st_gid} {facts.st_rdev}\0"
        if stat.S_ISREG(facts.st_mode):
            digest, size = _digest(entry) if os.access(entry, os.R_OK) else (Digest("unreadable"), 0)
            described, total = described + digest, total + size
        elif stat.S_ISLNK(facts.st_mode):
            described += str(entry.readlink())
        hasher.update(described.encode("utf-8", "surrogateescape") + b"\n")
    image = Image(name=path.resolve().name, size=total, sha256=Digest(hasher.hexdigest()))
    return Intake(image=image, root=path.resolve())


def _entries(folder: Path) -> Iterator[tuple[str, Path]]:
    """Everything below a folder in a fixed order, no link followed."""
    for base, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted([*folders, *names]):
            entry = Path(base, name)
            yield str(entry.relative_to(folder)), entry
