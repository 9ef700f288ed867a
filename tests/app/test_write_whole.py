"""What a report is written to stays what it is: a file, a link, a pipe, a device."""

import os
import threading
from pathlib import Path

import pytest

from customhouse.app.audit_run import write_whole
from customhouse.host.errors import InputError


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("old and longer")
    write_whole(tmp_path / "r.json", "new")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("r.json", "new")]


def test_a_link_is_followed_and_stays_one(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "r.json").symlink_to("there/r.json")
    write_whole(tmp_path / "r.json", "new")
    assert (tmp_path / "r.json").is_symlink()
    assert (tmp_path / "there" / "r.json").read_text() == "new"


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    write_whole(pipe, "new")
    reader.join(10)
    assert read == ["new"]
    assert pipe.is_fifo()


def test_a_device_without_room_is_an_error_and_stays_a_device(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")  # by a link, so that a fault here harms nothing but the link
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(full, "new")
    assert full.is_char_device()


def test_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path, "new")
