"""The walk through an image: find what starts where, read it, look inside what came out, account for every byte.

Runs inside the isolated worker. unblob finds the chunks; formats of ours read what they can, unblob's handlers the
rest (each in a child process of its own, since they run foreign code). Nothing here believes a missing error report:
what counts is what came out.
"""

import mmap
from pathlib import Path

import msgspec

from customhouse.model import Extent, FileNode, ImagePath, NodeKind, NotExamined, Offset, Outcome, Volume

from . import gaps
from .contents import Budget, ContentStore
from .folders import take_in_folder
from .foreign import unpack_foreign
from .format import DONE, BudgetSpent, Ending, Window
from .journal import ExtentLine, GapLine, Journal, NodeLine, PartLine, VolumeLine
from .leaves import is_leaf
from .unblob_adapter import Chunk, find_chunks
from .volume import VolumeWriter, Written

_SMALLEST_GAP_KEPT = 16
UNEXPLAINED = "unexplained"


class _Inside(msgspec.Struct, frozen=True):
    """A content to be looked into: where it came from, and how many containers deep."""

    written: Written
    depth: int


class Account(msgspec.Struct):
    """What a content's bytes turned out to be."""

    size: int = 0
    explained: int = 0
    encrypted: int = 0


class Engine:
    """Unpacks the parts of one image into a journal and a content store."""

    def __init__(self, journal: Journal, store: ContentStore, budget: Budget, scratch: Path) -> None:
        self._journal, self._store, self._budget, self._scratch = journal, store, budget, scratch
        self._names: set[str] = set()
        self._spent = ""

    def part(self, path: Path, part: str) -> None:
        """One part of the image (the image itself when `part` is empty), to the last byte."""
        self._journal.write(PartLine(part, path.stat().st_size))
        self._look_into(path, part, part, 0, top=True)
        self._journal.flush()

    def folder(self, root: Path) -> None:
        """A root file system handed over as a folder: its entries are facts, and each file may hold more inside."""
        writer = VolumeWriter("root", self._journal, self._store, self._budget)
        self._names.add("root")
        ending = DONE
        try:
            take_in_folder(root, writer, owners=True)
        except BudgetSpent as spent:
            self._spent = f"the budget ran out: {spent}"
            ending = Ending(Outcome.SKIPPED, self._spent)
        if ending == DONE and writer.troubles:
            ending = Ending(Outcome.PARTIAL, writer.complaint)
        detail = {"owners": "as on the machine that the folder lies on"}
        size = writer.written
        self._journal.write(PartLine("", size))
        self._journal.write(
            VolumeLine(Volume(name="root", kind="folder", offset=Offset(0), size=size, root=True, detail=detail))
        )
        self._insides(writer, 1, -1, final=False)
        if size:
            self._extent(0, size, "folder", ending.outcome, "", ending.reason, None)
        if ending.outcome is not Outcome.DONE:
            self._journal.write(GapLine(NotExamined(what="the folder", outcome=ending.outcome, why=ending.reason)))
        self._journal.flush()

    def _look_into(self, path: Path, name: str, part: str, depth: int, *, top: bool) -> Account:
        """Everything inside one content. `name` is what volumes found in it are named after."""
        if path.stat().st_size == 0:
            return Account()
        chunks = find_chunks(path) if not self._spent else []
        with path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            account = Account(size=len(mapped))
            at = 0
            data = memoryview(mapped)
            try:
                for chunk in chunks:
                    self._gap(data, at, chunk.start, name, part, account, top=top)
                    self._chunk(path, data, chunk, self._name(name, chunk, len(chunks)), part, depth, account, top=top)
                    at = chunk.end
                self._gap(data, at, len(mapped), name, part, account, top=top)
            finally:
                data.release()
        return account

    def _name(self, name: str, chunk: Chunk, count: int) -> str:
        """Unique, stable, and telling: the part or file it is in, the format, and where, when there are several."""
        stem = f"{chunk.kind}-{chunk.start:#x}"
        if name:
            stem = name if count == 1 and name not in self._names else f"{name}!{stem}"
        wanted, number = stem, 1
        while wanted in self._names:
            number += 1
            wanted = f"{stem}~{number}"
        self._names.add(wanted)
        return wanted

    def _chunk(
        self,
        path: Path,
        data: memoryview,
        chunk: Chunk,
        name: str,
        part: str,
        depth: int,
        account: Account,
        *,
        top: bool,
    ) -> None:
        writer = VolumeWriter(name, self._journal, self._store, self._budget)
        ending = self._unpack(path, data, chunk, writer, depth)
        self._journal.write(
            VolumeLine(
                Volume(
                    name=name, kind=chunk.kind, offset=Offset(chunk.start), size=chunk.end - chunk.start, part=part,
                    label=chunk.label, detail={**chunk.detail, **writer.detail},
                )
            )
        )  # fmt: skip
        final = chunk.format is not None and chunk.format.final
        inner = self._insides(writer, depth + 1, chunk.end - chunk.start, final=final)
        if chunk.format is not None and chunk.format.carries and inner.size and inner.explained * 2 < inner.size:
            encrypted = inner.encrypted * 2 >= inner.size
            ending = Ending(Outcome.ENCRYPTED if encrypted else Outcome.UNKNOWN, "what it carries was not understood")
        self._settle(chunk, name, part, ending, account, top=top)

    def _unpack(self, path: Path, data: memoryview, chunk: Chunk, writer: VolumeWriter, depth: int) -> Ending:
        if chunk.encrypted:
            return Ending(Outcome.ENCRYPTED, "its header says that it is encrypted")
        if self._spent:
            return Ending(Outcome.SKIPPED, self._spent)
        if depth >= self._budget.quota.depth:
            return Ending(Outcome.SKIPPED, f"more than {self._budget.quota.depth} containers inside each other")
        try:
            if chunk.format is not None:
                ending = chunk.format.unpack(Window(data, chunk.start, chunk.end), writer)
            else:
                ending = unpack_foreign(chunk, path, self._scratch, writer, self._budget)
        except BudgetSpent as spent:
            self._spent = f"the budget ran out: {spent}"
            return Ending(Outcome.SKIPPED, self._spent)
        return _judged(ending, writer, chunk)

    def _insides(self, writer: VolumeWriter, depth: int, chunk_size: int, *, final: bool) -> Account:
        """Look into what came out for the first time."""
        total = Account()
        for written in writer.fresh:
            if final or written.size == chunk_size or is_leaf(written.head, written.size):
                total.size += written.size
                total.explained += written.size
                continue
            inner = self._look_into(
                self._store.path(written.digest), _basename(written.path) or writer.name, "", depth, top=False
            )
            total.size += inner.size
            total.explained += inner.explained
            total.encrypted += inner.encrypted
        return total

    def _gap(
        self, data: memoryview, start: int, end: int, name: str, part: str, account: Account, *, top: bool
    ) -> None:
        """Bytes between chunks. Inside a content they are kept with it, and only counted."""
        if start >= end:
            return
        if not top:
            _leaf(data[start:end], account)
            return
        for gap in gaps.describe(data, start, end):
            size = gap.end - gap.start
            done = gap.outcome is Outcome.DONE
            account.explained += size if done else 0
            account.encrypted += size if gap.outcome is Outcome.ENCRYPTED else 0
            self._extent(gap.start, size, gap.kind, gap.outcome, part, gap.detail, gap.entropy)
            if not done and size >= _SMALLEST_GAP_KEPT:
                self._keep_gap(data[gap.start : gap.end], gap, name)

    def _keep_gap(self, data: memoryview, gap: gaps.Gap, name: str) -> None:
        """Unexplained bytes stay readable: their strings may still tell something."""
        volume = f"{name}!{UNEXPLAINED}" if name else UNEXPLAINED
        try:
            digest, size, _head, _new = self._store.keep((bytes(data),))
        except BudgetSpent as spent:
            self._spent = self._spent or f"the budget ran out: {spent}"
            return
        path = ImagePath(f"{gap.start:#x}-{gap.end:#x}")
        self._journal.write(NodeLine(FileNode(path=path, kind=NodeKind.FILE, size=size, digest=digest, volume=volume)))

    def _settle(self, chunk: Chunk, name: str, part: str, ending: Ending, account: Account, *, top: bool) -> None:
        size = chunk.end - chunk.start
        if ending.outcome in (Outcome.DONE, Outcome.PARTIAL):
            account.explained += size
        if ending.outcome is Outcome.ENCRYPTED:
            account.encrypted += size
        if top:
            self._extent(chunk.start, size, chunk.kind, ending.outcome, part, ending.reason, None)
        if ending.outcome is not Outcome.DONE:
            what = (
                f"{chunk.kind} in {name}"
                if not top
                else f"{chunk.kind} at {chunk.start:#x}" + (f" of {part}" if part else "")
            )
            self._journal.write(GapLine(NotExamined(what=what, outcome=ending.outcome, why=ending.reason)))
        self._journal.flush()

    def _extent(
        self, start: int, size: int, kind: str, outcome: Outcome, part: str, detail: str, bits: float | None
    ) -> None:
        self._journal.write(
            ExtentLine(
                Extent(
                    offset=Offset(start), size=size, kind=kind, outcome=outcome, part=part, detail=detail, entropy=bits
                )
            )
        )


def _judged(ending: Ending, writer: VolumeWriter, chunk: Chunk) -> Ending:
    """By what came out: troubles make it partial, nothing at all makes it failed."""
    if ending.outcome is Outcome.DONE and writer.troubles:
        return Ending(Outcome.PARTIAL if writer.entries > writer.troubles else Outcome.FAILED, writer.complaint)
    if ending.outcome is Outcome.FAILED and writer.entries:
        return Ending(Outcome.PARTIAL, ending.reason)
    if ending == DONE and not writer.entries and not chunk.kind.startswith("elf"):
        return Ending(Outcome.FAILED, "nothing came out")
    return ending


def _leaf(data: memoryview, account: Account) -> None:
    """Bytes of a content in which nothing starts: plain data and code are understood as such, dense bytes are not."""
    outcome, bits = gaps.judge(data)[1], gaps.entropy(data[: 1 << 22])
    account.encrypted += len(data) if outcome is Outcome.ENCRYPTED else 0
    account.explained += len(data) if bits < gaps.DENSE or len(data) < gaps.ENOUGH else 0


def _basename(path: str) -> str:
    return path.rsplit("/", 1)[-1]
