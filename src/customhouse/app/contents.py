"""The result of unpacking, remembered: a second audit of an image unpacks only when a content is really needed."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from customhouse.firmware.unpack import UNPACK_VERSION, Unpacked, identify, unpack
from customhouse.host.context import Context
from customhouse.host.store import Store
from customhouse.model import Coverage, Digest, FileTree, Image, Model, NotExamined, Outcome

KIND = "unpacked"


class Remembered(Model, frozen=True, kw_only=True):
    """What the store keeps of `Unpacked`: everything but the bytes. `key` is what it is kept under."""

    key: str
    image: Image
    tree: FileTree
    coverage: Coverage
    not_examined: tuple[NotExamined, ...] = ()
    contents: tuple[Digest, ...] = ()


class LazyContents(Mapping[Digest, Path]):
    """Paths of contents by digest; the first one asked for makes the image be unpacked."""

    def __init__(self, digests: tuple[Digest, ...], unpack_now: Callable[[], Mapping[Digest, Path]]) -> None:
        self._digests = digests
        self._known = frozenset(digests)
        self._unpack_now = unpack_now
        self._paths: Mapping[Digest, Path] | None = None

    def __getitem__(self, digest: Digest) -> Path:
        if digest not in self._known:
            raise KeyError(digest)
        if self._paths is None:
            self._paths = self._unpack_now()
        return self._paths[digest]

    def __iter__(self) -> Iterator[Digest]:
        return iter(self._digests)

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, digest: object) -> bool:
        return digest in self._known


def remembered_or_unpacked(path: Path, context: Context, store: Store) -> tuple[Remembered, Mapping[Digest, Path]]:
    """The image's tree and coverage, and its contents. Only complete results are kept: one that a budget cut is not."""
    image = identify(path)
    key = f"{UNPACK_VERSION}/{image.sha256}/{image.name}"
    kept = store.get(KIND, key)
    if kept is not None:
        result = _decoded(kept)
        if result is not None:
            return result, LazyContents(result.contents, lambda: unpack(path, context).contents)
    unpacked = unpack(path, context)
    result = _remember(key, unpacked)
    if not _was_cut(result):
        store.put(KIND, key, msgspec.msgpack.encode(result))
    return result, unpacked.contents


def _remember(key: str, unpacked: Unpacked) -> Remembered:
    return Remembered(
        key=key,
        image=unpacked.image,
        tree=unpacked.tree,
        coverage=unpacked.coverage,
        not_examined=unpacked.not_examined,
        contents=tuple(sorted(unpacked.contents)),
    )


def _was_cut(result: Remembered) -> bool:
    outcomes = {entry.outcome for entry in result.not_examined} | {x.outcome for x in result.coverage.extents}
    return Outcome.SKIPPED in outcomes or Outcome.FAILED in outcomes


def _decoded(kept: bytes) -> Remembered | None:
    """None where the store holds something else under this key: it is then made again."""
    try:
        return msgspec.msgpack.decode(kept, type=Remembered)
    except (msgspec.DecodeError, ValueError):
        return None
