"""Fixtures of the unpacking room."""

from collections.abc import Callable
from pathlib import Path

import pytest

from customhouse.firmware.unpack import Unpacked, unpack
from customhouse.firmware.unpack.quota import Quota
from customhouse.host.context import Context
from customhouse.host.deadline import Deadline
from customhouse.host.isolation import available

Unpack = Callable[..., Unpacked]


@pytest.fixture
def unpacked(tmp_path: Path) -> Unpack:
    """Writes bytes to a file (or takes a path) and unpacks it, isolated where the machine can."""

    def run(image: bytes | Path, quota: Quota | None = None, seconds: float = 60.0) -> Unpacked:
        if isinstance(image, bytes):
            (tmp_path / "image.bin").write_bytes(image)
            image = tmp_path / "image.bin"
        context = Context(work=tmp_path / "work", isolate=available(), deadline=Deadline.after(seconds))
        return unpack(image, context, quota)

    return run
