"""Extractors that are not ours: run apart, believed only for what they leave behind."""

import struct
import time
import zlib
from pathlib import Path

import pytest
from tests.firmware.unpack.conftest import Unpack
from tests.firmware.unpack.recording import Recorded

from customhouse.firmware.unpack import foreign
from customhouse.firmware.unpack.contents import Budget
from customhouse.firmware.unpack.foreign import unpack_foreign
from customhouse.firmware.unpack.quota import Quota
from customhouse.firmware.unpack.unblob_adapter import Chunk
from customhouse.model import Outcome


class Handler:
    """Stands in for one of unblob's."""

    def extract(self, source: Path, target: Path) -> None:
        target.mkdir()
        self.work(source, target)

    def work(self, source: Path, target: Path) -> None:
        (target / "copy").write_bytes(source.read_bytes())


def run(handler: Handler, tmp_path: Path, quota: Quota | None = None) -> tuple[Recorded, Outcome, str]:
    source = tmp_path / "source"
    source.write_bytes(b"0123456789")
    chunk = Chunk(2, 8, "strange", None, handler)
    tree = Recorded()
    ending = unpack_foreign(chunk, source, tmp_path / "scratch", tree, Budget(quota or Quota()))
    assert not (tmp_path / "scratch").exists()
    return tree, ending.outcome, ending.reason


def test_what_it_leaves_is_taken_in(tmp_path: Path) -> None:
    tree, outcome, _ = run(Handler(), tmp_path)
    assert (tree.files, outcome) == ({b"copy": b"234567"}, Outcome.DONE)


def test_success_without_output_is_failure(tmp_path: Path) -> None:
    class Silent(Handler):
        def work(self, source: Path, target: Path) -> None: ...

    assert run(Silent(), tmp_path)[1] is Outcome.FAILED


def test_a_crash_takes_only_this_chunk(tmp_path: Path) -> None:
    class Crashing(Handler):
        def work(self, source: Path, target: Path) -> None:
            (target / "half").write_text("half")
            raise ZeroDivisionError("boom")

    tree, outcome, reason = run(Crashing(), tmp_path)
    assert (tree.files, outcome) == ({b"half": b"half"}, Outcome.PARTIAL)
    assert "boom" in reason


def test_a_hang_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(Handler):
        def work(self, source: Path, target: Path) -> None:
            time.sleep(60)

    monkeypatch.setattr(foreign, "_LONGEST", 0.3)
    started = time.monotonic()
    _, outcome, reason = run(Hanging(), tmp_path)
    assert time.monotonic() - started < 5
    assert (outcome, reason) == (Outcome.SKIPPED, "its extractor took too long")


def test_writing_too_much_is_stopped(tmp_path: Path) -> None:
    class Greedy(Handler):
        def work(self, source: Path, target: Path) -> None:
            for number in range(2000):
                (target / str(number)).write_bytes(bytes(100_000))
                time.sleep(0.002)

    _, outcome, reason = run(Greedy(), tmp_path, Quota(output=1 << 20))
    assert "more than the budget" in reason
    assert outcome in (Outcome.SKIPPED, Outcome.PARTIAL)


def test_links_it_made_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")

    class Linking(Handler):
        def work(self, source: Path, target: Path) -> None:
            (target / "out").symlink_to(tmp_path)
            (target / "file").symlink_to(tmp_path / "secret")

    tree, _, _ = run(Linking(), tmp_path)
    assert tree.files == {}
    assert set(tree.links) == {b"out", b"file"}


def test_a_reader_that_is_not_installed_is_named(unpacked: Unpack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    body = b"7z content that nobody opens" * 30
    tail = b"\x01\x04\x06\x00"
    start = struct.pack("<QQI", len(body), len(tail), zlib.crc32(tail))
    image = b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<I", zlib.crc32(start)) + start + body + tail
    result = unpacked(image)
    assert {extent.outcome for extent in result.coverage.extents} == {Outcome.UNSUPPORTED}
    assert "not installed (7z)" in result.not_examined[0].why


def test_an_ar_archive_opens_by_unblobs_own_reader(unpacked: Unpack) -> None:
    member = b"control/        0           0     0     100644  12        `\n" + b"Package: abc"
    result = unpacked(b"!<arch>\n" + member)
    [node] = result.tree.nodes
    assert node.digest is not None
    assert result.contents[node.digest].read_bytes() == b"Package: abc"
