"""Fixtures of the unpacking room."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from customhouse.firmware.unpack import Unpacked, unpack, unpacking
from customhouse.firmware.unpack.order import Order
from customhouse.firmware.unpack.quota import Quota
from customhouse.host.context import Context
from customhouse.host.deadline import Deadline
from customhouse.host.isolation import Ended, available

Unpack = Callable[..., Unpacked]


def _runner(tmp_path: Path) -> Unpack:
    def run(image: bytes | Path, quota: Quota | None = None, seconds: float = 60.0) -> Unpacked:
        if isinstance(image, bytes):
            (tmp_path / "image.bin").write_bytes(image)
            image = tmp_path / "image.bin"
        context = Context(work=tmp_path / "work", isolate=available(), deadline=Deadline.after(seconds))
        return unpack(image, context, quota)

    return run


@pytest.fixture
def isolated(tmp_path: Path) -> Unpack:
    """Writes bytes to a file (or takes a path) and unpacks it as a user's run does, isolated where the machine can."""
    return _runner(tmp_path)


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unpack:
    """The same with the worker in this process, which spares each test the second that starting one takes."""

    def here(command: list[str], **_options: Any) -> Ended:
        from customhouse.firmware.unpack.worker import work

        work(msgspec.json.decode(Path(command[-1]).read_bytes(), type=Order))
        return Ended(0, timed_out=False, messages="")

    monkeypatch.setattr(unpacking, "run_isolated", here)
    return _runner(tmp_path)
