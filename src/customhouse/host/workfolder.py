"""A private folder for one run, gone when the run ends however it ends.

A run that is killed cannot remove its folder, so the next one does. What tells the dead from the living is a lock that
a run holds on a file in its folder: the kernel lets it go with the last process of the run, whatever ended it.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError

_PREFIX = "customhouse-"
_OURS = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")
_LOCK = "in-use"
_MOST_REMOVED = 16  # at one start: it should not take long
_ATTEMPTS = 5
_INTERRUPTS = frozenset((signal.SIGINT, signal.SIGTERM))


@contextlib.contextmanager
def work_folder(under: Path | None = None) -> Iterator[Path]:
    """A fresh folder that only this user can enter; removed with everything in it, Ctrl-C included.

    Folders that killed runs left in the same place are removed first.
    """
    remove_abandoned(under)
    # An interrupt that comes while the folder is made waits until somebody is there to remove it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        made, lock = _made(under)
    except OSError as trouble:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise InputError(
            f"no work folder can be made: {trouble}", "set TMPDIR to a folder with free space"
        ) from trouble
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield made
    finally:
        remove_tree(made)
        os.close(lock)


def _made(under: Path | None) -> tuple[Path, int]:
    """The folder and the descriptor that holds its lock. Another start may see the file before it is locked and take
    the folder for abandoned; then a second one is made."""
    for _ in range(_ATTEMPTS):
        made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=under))
        try:
            lock = os.open(made / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue
        except OSError:
            made.rmdir()
            raise
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            return made, lock
        os.close(lock)
    raise OSError("each one that was made was removed at once")


def remove_abandoned(under: Path | None = None) -> int:
    """Remove work folders of this user's runs that are no more; returns how many. Never raises, never waits."""
    removed = 0
    with contextlib.suppress(OSError):
        base = under if under is not None else Path(tempfile.gettempdir())
        for entry in sorted(base.iterdir()):
            if removed < _MOST_REMOVED and _OURS.fullmatch(entry.name):
                removed += _removed_if_abandoned(entry)
    return removed


def _removed_if_abandoned(folder: Path) -> bool:
    """A folder without a lock file is left alone: it may have been made this very moment."""
    with contextlib.suppress(OSError):
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
            return False
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(folder)
        finally:
            os.close(lock)
        return not folder.exists()
    return False


def remove_tree(folder: Path) -> None:
    """Remove a tree that hostile input may have filled: links are not followed, locked folders are unlocked first."""

    def unlock(_function: object, path: str, _trouble: object) -> None:
        with contextlib.suppress(OSError):
            parent = Path(path).parent
            parent.chmod(stat.S_IRWXU)
            if not Path(path).is_symlink():
                Path(path).chmod(stat.S_IRWXU)
            if Path(path).is_dir() and not Path(path).is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)  # noqa: PTH108 – the path may hold bytes that Path would normalise

    shutil.rmtree(folder, onerror=unlock)
