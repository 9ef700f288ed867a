"""Unpack an image: take it in, run the isolated worker, put together what it found."""

import shutil
import sys
from pathlib import Path

import msgspec

from customhouse.host.context import Context
from customhouse.host.errors import InputError
from customhouse.host.isolation import Ended, Limits, run_isolated
from customhouse.model import Coverage, Digest, FileTree, Image, NotExamined, Outcome

from .assembly import Assembly
from .intake import Intake, take_in
from .journal import read_journal
from .order import Order
from .quota import Quota

UNPACK_VERSION = "9"
"""Raise it whenever the same image could now unpack differently: the cache of unpackings is keyed by it."""

_MINUTES = 10.0
_GRACE = 5.0
_DISK_FULL = 1 << 20
_MEMORY = 1 << 30


class Unpacked(msgspec.Struct, frozen=True, kw_only=True):
    """What came out of an image. All but `contents` may be cached by the image's digest and `UNPACK_VERSION`."""

    image: Image
    tree: FileTree
    coverage: Coverage
    contents: dict[Digest, Path]
    """Read-only copies under the work folder of the context."""
    not_examined: tuple[NotExamined, ...] = ()
    broke_off: bool = False
    """The worker ended before its end, by a fault or by the budget."""


def identify(path: Path) -> Image:
    """Name, size and digest of what the user handed over, without unpacking it. Raises `InputError`."""
    return take_in(path).image


def unpack(path: Path, context: Context, quota: Quota | None = None) -> Unpacked:
    """Unpack the image at `path` (a file, a folder of partitions, or a root file system as folder or tar).

    Raises `InputError` for what is no image, `MissingTool` where nothing can isolate the work. An image that is
    damaged, encrypted or hostile raises nothing: it ends in outcomes and `not_examined` records.
    """
    intake = take_in(path)
    context.progress.stage("unpack")
    folder = _fresh(context.work)
    deadline = context.deadline.within(_MINUTES * 60)
    quota = quota or Quota()
    order = Order(
        work=str(folder),
        parts=tuple((name, str(place)) for name, place in intake.parts),
        root=str(intake.root or ""),
        quota=msgspec.structs.replace(quota, seconds=min(quota.seconds, max(0.5, deadline.remaining - _GRACE))),
    )
    try:
        (folder / "order.json").write_bytes(msgspec.json.encode(order))
    except OSError as trouble:
        raise _full(folder) from trouble
    ended = run_isolated(
        [sys.executable, "-P", "-m", "customhouse.firmware.unpack.worker", str(folder / "order.json")],
        writable=folder,
        readable=[place for _, place in intake.parts] + ([intake.root] if intake.root else []),
        limits=Limits(memory=_MEMORY, mapped=(2 << 30) + 3 * intake.image.size),
        deadline=deadline,
        isolate=context.isolate,
        environment={"PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    unpacked = _assembled(intake, folder, ended)
    if unpacked.broke_off and _is_full(folder):
        raise _full(folder)
    return unpacked


def _is_full(folder: Path) -> bool:
    """Too full for the worker to have gone on; what was cut off by that says nothing of the image."""
    return shutil.disk_usage(folder).free < _DISK_FULL


def _full(folder: Path) -> InputError:
    return InputError(
        f"no space is left where images are unpacked ({folder.parent.parent})", "set TMPDIR to a folder with free space"
    )


def _fresh(work: Path) -> Path:
    number = 0
    while (folder := work.resolve() / f"unpack-{number}").exists():
        number += 1
    try:
        folder.mkdir(parents=True)
    except OSError as trouble:
        raise _full(folder) from trouble
    return folder


def _assembled(intake: Intake, folder: Path, ended: Ended) -> Unpacked:
    assembly = Assembly(read_journal(folder / "journal"))
    gone = "" if assembly.ended else _why(ended)
    not_examined = assembly.not_examined
    if gone:
        outcome = Outcome.SKIPPED if ended.timed_out else Outcome.FAILED
        not_examined = [*not_examined, NotExamined(what="the rest of the image", outcome=outcome, why=gone)]
    tree = assembly.tree()
    sizes = {name: place.stat().st_size for name, place in intake.parts} or {"": intake.image.size}
    contents = folder / "contents"
    return Unpacked(
        image=intake.image,
        tree=tree,
        coverage=assembly.coverage(sizes, gone or "never reached"),
        contents={
            node.digest: contents / node.digest
            for node in tree.files()
            if node.digest is not None and _is_kept(contents / node.digest)
        },
        not_examined=tuple(not_examined),
        broke_off=bool(gone),
    )


def _is_kept(path: Path) -> bool:
    return not path.is_symlink() and path.is_file()


def _why(ended: Ended) -> str:
    if ended.timed_out:
        return "unpacking took longer than its budget and was stopped"
    last = ended.messages.strip().splitlines()[-1:] or ["no message"]
    return f"the unpacker ended with status {ended.status}: {last[0][:300]}"
