"""Worker processes that may be lost one at a time.

Each worker is a fresh interpreter (nothing is inherited by fork) with a limit on memory. It is given one task at a
time, and answers it piece by piece. A worker that dies or stays silent too long costs the piece it was at: the caller
is told (`Lost`) and decides; a new worker takes the place. Ctrl-C, the deadline, or leaving the `with` block kills all.
"""

import contextlib
import ctypes
import os
import pickle
import resource
import selectors
import signal
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Protocol, Self

from .deadline import Deadline

MEMORY = 768 << 20
"""Address space of one worker, in bytes, unless the caller says otherwise."""
SILENCE = 60.0
"""Seconds without a piece of an answer after which a worker is taken for hung."""

_HEADER = struct.Struct("<I")
_PIECE, _DONE = b"p", b"d"
_PR_SET_PDEATHSIG = 1
_CODE = "from customhouse.host.pool import _serve; _serve()"


class Work(Protocol):
    """What a worker does: sent to it once, by pickle, so it must be a plain value of an importable class."""

    def start(self) -> Callable[[bytes], Iterator[bytes]]:
        """Called once in the worker; gives the function that answers a task piece by piece."""


@dataclass(frozen=True)
class Task:
    """`payload` goes to the worker; `name` comes back with everything said about the task."""

    name: str
    payload: bytes
    silence: float = SILENCE


@dataclass(frozen=True)
class Piece:
    """One part of a task's answer."""

    task: Task
    payload: bytes


@dataclass(frozen=True)
class Done:
    task: Task


@dataclass(frozen=True)
class Lost:
    """The worker died or hung after `pieces` parts of the answer."""

    task: Task
    pieces: int
    why: str


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    task: Task | None = None
    pieces: int = 0
    heard: float = 0.0
    buffer: bytearray = field(default_factory=bytearray)

    @property
    def output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    @property
    def silent_for(self) -> float:
        return time.monotonic() - self.heard

    def send(self, payload: bytes) -> bool:
        """False when the worker is gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(_HEADER.pack(len(payload)) + payload)
            self.process.stdin.flush()
        except OSError:
            return False
        return True

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def frames(self) -> Iterator[bytes]:
        """Whole messages among what has been read so far."""
        while len(self.buffer) >= _HEADER.size:
            (size,) = _HEADER.unpack_from(self.buffer)
            if len(self.buffer) < _HEADER.size + size:
                return
            frame = bytes(self.buffer[_HEADER.size : _HEADER.size + size])
            del self.buffer[: _HEADER.size + size]
            yield frame


class Pool:
    """`jobs` workers that all do the same `work`; started when first needed."""

    def __init__(self, work: Work, jobs: int, memory: int = MEMORY) -> None:
        self._setting = pickle.dumps((work, memory))
        self._jobs = max(1, jobs)
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in list(self._workers):
            self._dismiss(worker)
        self._selector.close()

    def run(self, queue: deque[Task], deadline: Deadline) -> Iterator[Piece | Done | Lost]:
        """Work off `queue`, to which the caller may add while reading. Stops when the deadline passes; what is still in
        the queue was then never begun, and tasks under way end in `Lost`."""
        while queue or any(worker.task for worker in self._workers):
            if deadline.passed:
                yield from self._abandon("the time budget ran out")
                return
            yield from self._assign(queue)
            for key, _ in self._selector.select(timeout=self._patience(deadline)):
                yield from self._listen(key.data)
            yield from self._bury_silent()

    def _assign(self, queue: deque[Task]) -> Iterator[Lost]:
        while queue:
            idle = next((worker for worker in self._workers if worker.task is None), None)
            if idle is None:
                if len(self._workers) >= self._jobs:
                    return
                idle = self._hire()
            task = queue.popleft()
            idle.task, idle.pieces, idle.heard = task, 0, time.monotonic()
            if not idle.send(task.payload):
                yield self._lose(idle, "the worker could not start")

    def _patience(self, deadline: Deadline) -> float:
        nearest = min((w.task.silence - w.silent_for for w in self._workers if w.task), default=1.0)
        return max(0.0, min(nearest, deadline.remaining, 5.0))

    def _listen(self, worker: _Worker) -> Iterator[Piece | Done | Lost]:
        chunk = os.read(worker.output.fileno(), 1 << 20)
        if not chunk:
            task = worker.task
            lost = self._lose(worker, _cause(worker.process))
            if task is not None:
                yield lost
            return
        worker.buffer += chunk
        for frame in worker.frames():
            worker.heard = time.monotonic()
            task = worker.task
            assert task is not None
            if frame[:1] == _PIECE:
                worker.pieces += 1
                yield Piece(task, frame[1:])
            else:
                worker.task = None
                yield Done(task)

    def _bury_silent(self) -> Iterator[Lost]:
        for worker in list(self._workers):
            if worker.task is not None and worker.silent_for >= worker.task.silence:
                yield self._lose(worker, f"no answer for {worker.task.silence:.0f} s")

    def _abandon(self, why: str) -> Iterator[Lost]:
        for worker in list(self._workers):
            if worker.task is not None:
                yield self._lose(worker, why)

    def _hire(self) -> _Worker:
        # -P and no current folder: an image's folder may hold a file named like a module of ours.
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        worker = _Worker(process)
        worker.send(self._setting)  # a failure shows at the first task
        self._workers.append(worker)
        self._selector.register(worker.output, selectors.EVENT_READ, worker)
        return worker

    def _lose(self, worker: _Worker, why: str) -> Lost:
        task = worker.task or Task("", b"")
        self._dismiss(worker)
        return Lost(task, worker.pieces, why)

    def _dismiss(self, worker: _Worker) -> None:
        self._selector.unregister(worker.output)
        self._workers.remove(worker)
        worker.end()


def _cause(process: subprocess.Popen[bytes]) -> str:
    try:
        status = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return "the worker closed its output"
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"the worker was ended by {signal.Signals(-status).name}"
    return f"the worker ended with status {status}"


def _serve() -> None:
    """The worker's main loop: settings first, then tasks until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and closes the pipe
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not break the protocol
    first = _read(source)
    if first is None:
        return
    work, memory = pickle.loads(first)  # noqa: S301 (written by our own parent process)
    _limit(memory)
    answer = work.start()
    while (payload := _read(source)) is not None:
        for piece in answer(payload):
            _write(sink, _PIECE + piece)
        _write(sink, _DONE)


def _limit(memory: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # Linux: a worker does not outlive a parent that was killed
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(source: IO[bytes]) -> bytes | None:
    header = source.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    (size,) = _HEADER.unpack(header)
    return source.read(size)


def _write(sink: IO[bytes], frame: bytes) -> None:
    sink.write(_HEADER.pack(len(frame)) + frame)
    sink.flush()


def available_processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0))


__all__ = ["Done", "Lost", "Piece", "Pool", "Task", "Work", "available_processors"]
