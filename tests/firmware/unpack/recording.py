"""A tree writer that remembers, for tests of format readers."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from customhouse.firmware.unpack.format import Ending, Format, Malformed, Meta, Window
from customhouse.model import NodeKind


@dataclass
class Recorded:
    """Everything that was written, by path."""

    directories: dict[bytes, Meta] = field(default_factory=dict)
    files: dict[bytes, bytes] = field(default_factory=dict)
    metas: dict[bytes, Meta] = field(default_factory=dict)
    links: dict[bytes, bytes] = field(default_factory=dict)
    hard: dict[bytes, bytes] = field(default_factory=dict)
    specials: dict[bytes, tuple[NodeKind, tuple[int, int] | None]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    detail: dict[str, str] = field(default_factory=dict)

    def directory(self, path: bytes, meta: Meta) -> None:
        self.directories[path] = meta

    def file(self, path: bytes, data: "Iterable[bytes | memoryview]", meta: Meta) -> None:
        try:
            self.files[path] = b"".join(bytes(piece) for piece in data)
        except Malformed as trouble:
            self.troubles.append(str(trouble))
        self.metas[path] = meta

    def symlink(self, path: bytes, target: bytes, meta: Meta) -> None:
        self.links[path] = target

    def special(self, path: bytes, kind: NodeKind, device: tuple[int, int] | None, meta: Meta) -> None:
        self.specials[path] = (kind, device)
        self.metas[path] = meta

    def link(self, path: bytes, existing: bytes) -> None:
        self.hard[path] = existing

    def trouble(self, reason: str) -> None:
        self.troubles.append(reason)

    def say(self, key: str, value: str) -> None:
        self.detail[key] = value


def read(format_: Format, data: bytes, start: int = 0) -> tuple[Recorded, Ending]:
    """Probe and unpack what starts at `start`; fails the test when it is not recognised."""
    window = Window(data, start)
    extent = format_.probe(window)
    assert extent is not None, f"{format_.name} is not recognised"
    tree = Recorded()
    return tree, format_.unpack(window.part(0, extent.size), tree)


def survives(format_: Format, data: bytes) -> None:
    """Whatever the bytes are: not recognised, or recognised and ended in an outcome."""
    window = Window(data)
    extent = format_.probe(window)
    if extent is not None:
        assert 0 < extent.size <= len(data)
        assert isinstance(format_.unpack(window.part(0, extent.size), Recorded()), Ending)


def damaged(image: bytes, seed: int) -> bytes:
    """The image with some bytes changed, and perhaps cut off."""
    chance = random.Random(seed)
    changed = bytearray(image)
    for _ in range(chance.randint(1, 5)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed[: chance.randint(len(changed) // 2, len(changed))])
