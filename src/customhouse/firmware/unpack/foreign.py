"""Extractors that are not ours, each run in a child process of its own and judged by what it left behind.

They write to a scratch folder, which is then taken in without following a link and removed.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from customhouse.host.workfolder import remove_tree
from customhouse.model import Outcome

from .contents import Budget
from .folders import take_in_folder, walk
from .format import DONE, Ending, TreeWriter
from .unblob_adapter import Chunk, extract_with

_LONGEST = 120.0
_PIECE = 1 << 20
_LOOK_EVERY = 0.2


def unpack_foreign(chunk: Chunk, source: Path, scratch: Path, tree: TreeWriter, budget: Budget) -> Ending:
    """Let unblob's handler extract the chunk, and write what it left through `tree`."""
    scratch.mkdir(exist_ok=True)
    try:
        carved = _carved(chunk, source, scratch)
        target, message = scratch / "out", scratch / "message"
        stopped = _in_child(chunk, carved, target, message, budget)
        complaint = stopped or (message.read_text("utf-8", "replace") if message.is_file() else "it crashed")
        found = take_in_folder(target, tree) if target.is_dir() else 0
    finally:
        remove_tree(scratch)
    tree.say("read by", f"unblob's handler {chunk.kind}; owners and device nodes may be lost")
    if complaint.startswith("missing: "):
        return Ending(Outcome.UNSUPPORTED, f"its reader is not installed ({complaint[9:]})")
    if not found:
        outcome = Outcome.SKIPPED if stopped else Outcome.UNSUPPORTED if "no extractor" in complaint else Outcome.FAILED
        return Ending(outcome, complaint or "nothing came out")
    return Ending(Outcome.PARTIAL, complaint) if complaint else DONE


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
    size = 0
    for count, entry in enumerate(walk(folder)):
        with contextlib.suppress(OSError):
            size += entry.stat(follow_symlinks=False).st_size
        if size > output or count > entries:
            return True
    return False
