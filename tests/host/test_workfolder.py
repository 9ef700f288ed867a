"""A work folder is private, and gone afterwards whatever was put into it."""

import os
from pathlib import Path

import pytest

from customhouse.host.errors import InputError
from customhouse.host.workfolder import remove_tree, work_folder


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
