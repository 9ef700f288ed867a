"""The walk through an image: find what starts where, read it, look inside what came out, account for every byte.

Runs inside the isolated worker. unblob finds the chunks; formats of ours read what they can, unblob's handlers the
rest (each in a child process of its own, since they run foreign code). Nothing here believes a missing error report:
what counts is what came out.
"""

import mmap
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from customhouse.model import Digest, Extent, FileNode, ImagePath, NodeKind, NotExamined, Offset, Outcome, Volume

from . import gaps
from .bare_lzma import BareLzma, find_bare_lzma
from .contents import Budget, ContentStore
from .folders import take_in_folder
from .foreign import unpack_foreign
from .format import DONE, BudgetSpent, Ending, Window
from .journal import ExtentLine, GapLine, Journal, NodeLine, PartLine, VolumeLine
from .leaves import ends_otherwise, is_leaf
from .nand_dump import NandDump, nand_layout
from .streams import StreamFormat
from .unblob_adapter import Chunk, find_chunks, shifted
from .volume import VolumeWriter, Written

_SMALLEST_GAP_KEPT = 16
_SEARCHES_IN_FAILED = 4
_SMALLEST_HIDDEN = 4096
_READ = (Outcome.DONE, Outcome.PARTIAL)
UNEXPLAINED = "unexplained"


class Account(msgspec.Struct):
    """What a content's bytes turned out to be."""

    size: int = 0
    explained: int = 0
    encrypted: int = 0

    def add(self, other: "Account") -> None:
        self.size += other.size
        self.explained += other.explained
        self.encrypted += other.encrypted


@dataclass(frozen=True)
class Lost:
    """Bytes that belong to something that could not be read: dense as they are, they are no sign of encryption."""

    start: int
    end: int
    why: str


@dataclass(frozen=True)
class _Content:
    """A content that is being looked into. `top`: part of the image itself; `alone`: it holds one chunk only."""

    path: Path
    data: memoryview
    name: str
    part: str
    depth: int
    top: bool
    alone: bool
    account: Account
    lost: list[Lost] = field(default_factory=list)


class Engine:
    """Unpacks the parts of one image into a journal and a content store."""

    def __init__(self, journal: Journal, store: ContentStore, budget: Budget, scratch: Path) -> None:
        self._journal, self._store, self._budget, self._scratch = journal, store, budget, scratch
        self._names: set[str] = set()
        self._spent = ""
        self._accounts: dict[Digest, Account] = {}

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
        with path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            data = memoryview(mapped)
            waiting = deque(self._chunks(path, data, top=top))
            content = _Content(path, data, name, part, depth, top, len(waiting) == 1, Account(size=len(mapped)))
            try:
                self._walk(content, waiting)
            finally:
                data.release()
        return content.account

    def _chunks(self, path: Path, data: memoryview, *, top: bool) -> list[Chunk]:
        """What starts where. A dump of NAND is one thing: its spare areas cut through all that lies in it."""
        if self._spent:
            return []
        layout = nand_layout(data) if top else None
        if layout is not None:
            return [Chunk(0, len(data), NandDump.name, NandDump(layout), None)]
        return find_chunks(path)

    def _walk(self, content: "_Content", waiting: deque[Chunk]) -> None:
        """Chunk after chunk, with the gaps between. One that gives nothing may hide others: those are sought in it."""
        at, searches = 0, _SEARCHES_IN_FAILED
        while waiting:
            chunk = waiting.popleft()
            volume = self._name(content, chunk)
            ending, came_out = self._chunk(content, chunk, volume)
            if ending.outcome is Outcome.FAILED and not came_out and searches:
                searches -= 1
                hidden = self._hidden(content, chunk)
                if hidden:
                    self._complain(content, chunk, volume, ending)
                    content.lost.append(
                        Lost(chunk.start, chunk.end, f"inside the {chunk.kind} at {chunk.start:#x}, which is damaged")
                    )
                    waiting.extendleft(reversed(hidden))
                    continue
            self._gap(content, at, chunk.start)
            self._settle(content, chunk, volume, ending)
            at = chunk.end
            if isinstance(chunk.format, StreamFormat) and ending.outcome is Outcome.PARTIAL:
                behind = waiting[0].start if waiting else len(content.data)
                why = f"what is left of the {chunk.kind} stream at {chunk.start:#x}, which is damaged"
                content.lost.append(Lost(at, behind, why))
        self._gap(content, at, len(content.data))

    def _hidden(self, content: "_Content", failed: Chunk) -> list[Chunk]:
        """Chunks that start behind the first byte of one that could not be read."""
        start = failed.start + 1
        if failed.end - start < _SMALLEST_HIDDEN:
            return []
        rest = self._scratch.with_name("rest")
        rest.write_bytes(content.data[start : failed.end])
        try:
            return [shifted(chunk, start) for chunk in find_chunks(rest)]
        finally:
            rest.unlink()

    def _name(self, content: "_Content", chunk: Chunk) -> str:
        """Unique, stable, and telling: the part or file it is in, the format, and where, when there are several."""
        stem = f"{chunk.kind}-{chunk.start:#x}"
        if content.name:
            alone = content.alone and content.name not in self._names
            stem = content.name if alone else f"{content.name}!{stem}"
        wanted, number = stem, 1
        while wanted in self._names:
            number += 1
            wanted = f"{stem}~{number}"
        self._names.add(wanted)
        return wanted

    def _chunk(self, content: "_Content", chunk: Chunk, volume: str) -> tuple[Ending, bool]:
        """Unpack one chunk and look inside what came out. How it ended, and whether anything came out."""
        writer = VolumeWriter(volume, self._journal, self._store, self._budget)
        ending = self._unpack(content, chunk, writer)
        self._journal.write(
            VolumeLine(
                Volume(
                    name=volume, kind=chunk.kind, offset=Offset(chunk.start), size=chunk.end - chunk.start,
                    part=content.part, label=chunk.label, detail={**chunk.detail, **writer.detail},
                )
            )
        )  # fmt: skip
        final = chunk.format is not None and chunk.format.final
        inner = self._insides(writer, content.depth + 1, chunk.end - chunk.start, final=final)
        if chunk.format is not None and chunk.format.carries and ending.outcome in _READ:
            ending = self._weighed(ending, inner)
        return ending, bool(writer.entries)

    def _weighed(self, ending: Ending, inner: Account) -> Ending:
        """A wrapper is understood when what it carries is."""
        if not inner.size or inner.explained * 2 >= inner.size:
            return ending
        if self._spent:
            return Ending(Outcome.SKIPPED, self._spent)
        encrypted = inner.encrypted * 2 >= inner.size
        return Ending(Outcome.ENCRYPTED if encrypted else Outcome.UNKNOWN, "what it carries was not understood")

    def _unpack(self, content: "_Content", chunk: Chunk, writer: VolumeWriter) -> Ending:
        if chunk.encrypted:
            return Ending(Outcome.ENCRYPTED, "its header says that it is encrypted")
        if self._spent:
            return Ending(Outcome.SKIPPED, self._spent)
        if content.depth >= self._budget.quota.depth:
            return Ending(Outcome.SKIPPED, f"more than {self._budget.quota.depth} containers inside each other")
        try:
            if chunk.format is not None and chunk.format.cut_out and not _stands_among_others(content, chunk):
                return DONE  # a file that is a program has been taken in already
            if chunk.format is not None:
                ending = chunk.format.unpack(Window(content.data, chunk.start, chunk.end), writer)
            else:
                ending = unpack_foreign(chunk, content.path, self._scratch, writer, self._budget)
        except BudgetSpent as spent:
            self._spent = f"the budget ran out: {spent}"
            return Ending(Outcome.SKIPPED, self._spent)
        return _judged(ending, writer, chunk)

    def _insides(self, writer: VolumeWriter, depth: int, chunk_size: int, *, final: bool) -> Account:
        """Look into what came out; a content that came out before is counted as it was then."""
        total = Account()
        for written in writer.fresh:
            if final or written.size == chunk_size or self._is_leaf(written):
                inner = Account(size=written.size, explained=written.size)
            else:
                name = _basename(written.path) or writer.name
                inner = self._look_into(self._store.path(written.digest), name, "", depth, top=False)
            self._accounts[written.digest] = inner
            total.add(inner)
        for digest in writer.known:
            total.add(self._accounts.get(digest, Account()))
        return total

    def _is_leaf(self, written: Written) -> bool:
        head, size = written.head, written.size
        return is_leaf(head, size) and not ends_otherwise(self._store.path(written.digest), head, size)

    def _gap(self, content: "_Content", start: int, end: int) -> None:
        """Bytes between chunks. Inside a content they are kept with it, and only counted."""
        if start >= end:
            return
        if not content.top:
            _leaf(content.data[start:end], content.account, damaged=any(_within(lost, start) for lost in content.lost))
            return
        for found in gaps.describe(content.data, start, end):
            gap = _explained_by_damage(found, content.lost)
            if gap.outcome is not Outcome.FAILED and self._bare_stream(content, gap):
                continue
            size = gap.end - gap.start
            done = gap.outcome is Outcome.DONE
            content.account.explained += size if done else 0
            content.account.encrypted += size if gap.outcome is Outcome.ENCRYPTED else 0
            self._extent(gap.start, size, gap.kind, gap.outcome, content.part, gap.detail, gap.entropy)
            if not done and size >= gaps.ENOUGH and (gap.entropy or 0.0) >= gaps.DENSE:
                what = f"{size} bytes at {gap.start:#x}" + (f" of {content.part}" if content.part else "")
                self._journal.write(GapLine(NotExamined(what=what, outcome=gap.outcome, why=gap.detail)))
            if gap.kind != gaps.PADDING and size >= _SMALLEST_GAP_KEPT:
                self._keep_gap(content, gap)

    def _bare_stream(self, content: "_Content", gap: gaps.Gap) -> bool:
        """Dense bytes may be a kernel whose header someone took away. True when they are, and were dealt with."""
        if gap.entropy is None or gap.entropy < gaps.DENSE or gap.end - gap.start < gaps.ENOUGH:
            return False
        found = find_bare_lzma(content.data[gap.start : gap.end])
        if found is None:
            return False
        start = gap.start + found.start
        self._gap(content, gap.start, start)
        chunk = Chunk(start, gap.end, BareLzma.name, BareLzma(found.properties), None)
        volume = self._name(content, chunk)
        self._settle(content, chunk, volume, self._chunk(content, chunk, volume)[0])
        return True

    def _keep_gap(self, content: "_Content", gap: gaps.Gap) -> None:
        """Bytes without a format stay readable: text is read as such, and strings may tell something of the rest."""
        volume = f"{content.name}!{UNEXPLAINED}" if content.name else UNEXPLAINED
        if volume not in self._names:
            self._names.add(volume)
            whole = len(content.data)
            kept = Volume(name=volume, kind=UNEXPLAINED, offset=Offset(0), size=whole, part=content.part)
            self._journal.write(VolumeLine(kept))
        try:
            digest, size, _head, _new = self._store.keep((bytes(content.data[gap.start : gap.end]),))
        except BudgetSpent as spent:
            self._spent = self._spent or f"the budget ran out: {spent}"
            return
        path = ImagePath(f"{gap.start:#x}-{gap.end:#x}")
        node = FileNode(path=path, kind=NodeKind.FILE, size=size, digest=digest, volume=volume)
        self._journal.write(NodeLine(node))

    def _settle(self, content: "_Content", chunk: Chunk, volume: str, ending: Ending) -> None:
        size = chunk.end - chunk.start
        content.account.explained += size if ending.outcome in _READ else 0
        content.account.encrypted += size if ending.outcome is Outcome.ENCRYPTED else 0
        if content.top:
            self._extent(chunk.start, size, chunk.kind, ending.outcome, content.part, ending.reason, None)
        if ending.outcome is not Outcome.DONE:
            self._complain(content, chunk, volume, ending)
        self._journal.flush()

    def _complain(self, content: "_Content", chunk: Chunk, volume: str, ending: Ending) -> None:
        what = f"{chunk.kind} in {volume}"
        if content.top:
            what = f"{chunk.kind} at {chunk.start:#x}" + (f" of {content.part}" if content.part else "")
        self._journal.write(GapLine(NotExamined(what=what, outcome=ending.outcome, why=ending.reason)))

    def _extent(
        self, start: int, size: int, kind: str, outcome: Outcome, part: str, detail: str, bits: float | None
    ) -> None:
        extent = Extent(
            offset=Offset(start), size=size, kind=kind, outcome=outcome, part=part, detail=detail, entropy=bits
        )
        self._journal.write(ExtentLine(extent))


def _stands_among_others(content: "_Content", chunk: Chunk) -> bool:
    return content.top or chunk.end - chunk.start != len(content.data)


def _judged(ending: Ending, writer: VolumeWriter, chunk: Chunk) -> Ending:
    """By what came out: troubles make it partial, nothing at all makes it failed."""
    if ending.outcome is Outcome.DONE and writer.troubles:
        return Ending(Outcome.PARTIAL if writer.entries > writer.troubles else Outcome.FAILED, writer.complaint)
    if ending.outcome is Outcome.FAILED and writer.entries:
        return Ending(Outcome.PARTIAL, ending.reason)
    if ending == DONE and not writer.entries:
        return Ending(Outcome.FAILED, "nothing came out")
    return ending


def _within(lost: Lost, at: int) -> bool:
    return lost.start <= at < lost.end


def _explained_by_damage(gap: gaps.Gap, lost: list[Lost]) -> gaps.Gap:
    """Dense bytes of something damaged are its rest."""
    why = next((region.why for region in lost if _within(region, gap.start)), "")
    if not why or (gap.entropy or 0.0) < gaps.DENSE:
        return gap
    return msgspec.structs.replace(gap, kind="unknown", outcome=Outcome.FAILED, detail=why)


def _leaf(data: memoryview, account: Account, *, damaged: bool = False) -> None:
    """Bytes of a content in which nothing starts: plain data and code are understood as such, dense bytes are not."""
    outcome, bits = gaps.judge(data)[1], gaps.entropy(data[: 1 << 22])
    account.encrypted += len(data) if outcome is Outcome.ENCRYPTED and not damaged else 0
    account.explained += len(data) if bits < gaps.DENSE or len(data) < gaps.ENOUGH else 0


def _basename(path: str) -> str:
    return path.rsplit("/", 1)[-1]
