"""A work folder is private, and gone afterwards whatever was put into it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from customhouse.host.errors import InputError
from customhouse.host.workfolder import remove_abandoned, remove_tree, work_folder


def test_it_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with work_folder(tmp_path) as folder:
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_it_is_gone_after_an_interrupt_too(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), work_folder(tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_links_out_of_it_are_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    with work_folder(tmp_path) as folder:
        (folder / "out").symlink_to(kept)
        (folder / "loop").symlink_to("loop")
    assert (kept / "file").read_text() == "x"


def test_locked_folders_and_odd_names_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "a/b").mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(folder) + b"/a/b/\xff\n")).write_text("x")
    (folder / "a/b").chmod(0)
    (folder / "a").chmod(0o500)
    remove_tree(folder)
    assert not folder.exists()


def test_a_place_where_no_folder_can_be_made_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no work folder"), work_folder(tmp_path / "missing"):
        pass


STAYS = """
import sys, time
from pathlib import Path
from customhouse.host.workfolder import work_folder
with work_folder(Path(sys.argv[1])) as folder:
    (folder / "file").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""


def _running(under: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", STAYS, str(under)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    killed, left = _running(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert (left / "file").read_text() == "x"
    with work_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_the_folder_of_a_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    running, theirs = _running(tmp_path)
    try:
        with work_folder(tmp_path):
            assert remove_abandoned(tmp_path) == 0
            assert (theirs / "file").read_text() == "x"
    finally:
        running.kill()
        running.wait()


def test_only_folders_of_that_make_are_removed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for folder in (elsewhere, tmp_path / "customhouse-notes", tmp_path / "customhouse-abcd1234"):
        folder.mkdir()
    (elsewhere / "in-use").touch()
    (tmp_path / "customhouse-notes/in-use").touch()
    (tmp_path / "customhouse-aaaa1234").symlink_to(elsewhere)
    before = sorted(tmp_path.rglob("*"))
    assert remove_abandoned(tmp_path) == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_of_many_starts_at_once_each_keeps_its_own(tmp_path: Path) -> None:
    started = [_running(tmp_path) for _ in range(6)]
    try:
        assert all((folder / "file").exists() for _, folder in started)
        assert len({folder for _, folder in started}) == 6
    finally:
        for process, _ in started:
            process.kill()
            process.wait()
    assert remove_abandoned(tmp_path) == 6
    assert list(tmp_path.iterdir()) == []
