"""Extractors that are not ours, each run in a child process of its own and judged by what it left behind.

They write to a scratch folder, which is then taken in without following a link and removed.
"""

import contextlib
import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from customhouse.host.workfolder import remove_tree
from customhouse.model import NodeKind, Outcome

from .contents import Budget
from .format import DONE, Ending, Meta, TreeWriter
from .unblob_adapter import Chunk, extract_with

_LONGEST = 120.0
_PIECE = 1 << 20
_LOOK_EVERY = 0.2


def unpack_foreign(chunk: Chunk, source: Path, scratch: Path, tree: TreeWriter, budget: Budget) -> Ending:
    """Let unblob's handler extract the chunk, and write what it left through `tree`."""
    if chunk.kind.startswith("elf"):
        return _carve_program(chunk, source, tree)
    scratch.mkdir(exist_ok=True)
    try:
        carved = _carved(chunk, source, scratch)
        target, message = scratch / "out", scratch / "message"
        stopped = _in_child(chunk, carved, target, message, budget)
        complaint = stopped or (message.read_text("utf-8", "replace") if message.is_file() else "it crashed")
        found = _take_in(target, tree) if target.is_dir() else 0
    finally:
        remove_tree(scratch)
    tree.say("read by", f"unblob's handler {chunk.kind}; owners and device nodes may be lost")
    if complaint.startswith("missing: "):
        return Ending(Outcome.UNSUPPORTED, f"its reader is not installed ({complaint[9:]})")
    if not found:
        outcome = Outcome.SKIPPED if stopped else Outcome.UNSUPPORTED if "no extractor" in complaint else Outcome.FAILED
        return Ending(outcome, complaint or "nothing came out")
    return Ending(Outcome.PARTIAL, complaint) if complaint else DONE


def _carve_program(chunk: Chunk, source: Path, tree: TreeWriter) -> Ending:
    """A program in the middle of other bytes becomes a file of its own; one that is the whole content is a file already."""
    if chunk.start or chunk.end != source.stat().st_size:
        tree.file(b"program.elf", _slice(source, chunk.start, chunk.end), Meta(mode=0o755))
    return DONE


def _slice(source: Path, start: int, end: int) -> Iterator[bytes]:
    with source.open("rb") as data:
        data.seek(start)
        while start < end and (piece := data.read(min(end - start, _PIECE))):
            start += len(piece)
            yield piece


def _carved(chunk: Chunk, source: Path, scratch: Path) -> Path:
    carved = scratch / f"carved.{chunk.kind}"
    with carved.open("wb") as sink:
        sink.writelines(_slice(source, chunk.start, chunk.end))
    return carved


def _in_child(chunk: Chunk, carved: Path, target: Path, message: Path, budget: Budget) -> str:
    """Returns why the child had to be stopped; empty when it ended by itself."""
    child = os.fork()
    if child == 0:
        _child(chunk, carved, target, message)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    ends = time.monotonic() + min(_LONGEST, budget.remaining)
    allowed = budget.quota.output - budget.output
    looked = time.monotonic()
    pause, reason = 0.002, ""
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > ends:
            reason = "its extractor took too long"
        elif time.monotonic() - looked > _LOOK_EVERY:
            looked = time.monotonic()
            if _grown_beyond(target, allowed, budget.quota.entries):
                reason = "its extractor wrote more than the budget allows"
        if reason:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(pause)
        pause = min(0.05, pause * 1.5)
    return reason


def _child(chunk: Chunk, carved: Path, target: Path, message: Path) -> None:
    """Never returns: the copy of our process ends here."""
    status = 1
    try:
        os.setpgid(0, 0)
        message.write_text(extract_with(chunk.handler, carved, target), "utf-8")
        status = 0
    except BaseException as trouble:
        with contextlib.suppress(OSError):
            message.write_text(f"{type(trouble).__name__}: {trouble}"[:500], "utf-8", "replace")
    finally:
        os._exit(status)


def _grown_beyond(folder: Path, output: int, entries: int) -> bool:
    size = count = 0
    for entry in _walk(folder):
        count += 1
        with contextlib.suppress(OSError):
            size += entry.stat(follow_symlinks=False).st_size
        if size > output or count > entries:
            return True
    return False


def _walk(folder: Path) -> Iterator["os.DirEntry[str]"]:
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    yield entry
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue


def _take_in(folder: Path, tree: TreeWriter) -> int:
    """Write everything below `folder` through `tree`; returns how many entries."""
    count = 0
    base = len(os.fsencode(folder)) + 1
    for entry in _walk(folder):
        path, facts = os.fsencode(entry.path)[base:], entry.stat(follow_symlinks=False)
        meta = Meta(mode=stat.S_IMODE(facts.st_mode))
        count += 1
        if entry.is_symlink():
            tree.symlink(path, os.fsencode(os.readlink(entry.path)), meta)  # noqa: PTH115 – keeps the bytes as stored
        elif entry.is_dir(follow_symlinks=False):
            tree.directory(path, meta)
        elif entry.is_file(follow_symlinks=False):
            tree.file(path, _pieces(entry.path), meta)
        else:
            tree.special(path, NodeKind.FIFO, None, meta)
    return count


def _pieces(path: str) -> Iterator[bytes]:
    with Path(path).open("rb") as source:
        while piece := source.read(_PIECE):
            yield piece
