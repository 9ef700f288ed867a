"""A private folder for one run, gone when the run ends however it ends."""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError


@contextlib.contextmanager
def work_folder(under: Path | None = None) -> Iterator[Path]:
    """A fresh folder that only this user can enter; removed with everything in it, Ctrl-C included."""
    try:
        made = Path(tempfile.mkdtemp(prefix="customhouse-", dir=under))
    except OSError as trouble:
        raise InputError(
            f"no work folder can be made: {trouble}", "set TMPDIR to a folder with free space"
        ) from trouble
    try:
        yield made
    finally:
        remove_tree(made)


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
