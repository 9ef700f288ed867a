"""Workers that may be lost one at a time."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from customhouse.host.deadline import Deadline
from customhouse.host.pool import Done, Lost, Piece, Pool, Task

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Obedient:
    """Does what the task says."""

    def start(self) -> Callable[[bytes], Iterator[bytes]]:
        return _obey


def _obey(payload: bytes) -> Iterator[bytes]:
    yield b"begun"
    if payload == b"die":
        os.kill(os.getpid(), signal.SIGKILL)
    if payload == b"hang":
        time.sleep(600)
    if payload == b"exit":
        os._exit(3)
    if payload == b"eat":
        held = [bytearray(1 << 20) for _ in range(4096)]
        yield bytes(len(held))
    if payload == b"print":
        print("this must not break the protocol", flush=True)
    yield payload * 2


def _run(
    *payloads: bytes, jobs: int = 2, silence: float = 30.0, deadline: Deadline | None = None
) -> dict[str, list[object]]:
    events: dict[str, list[object]] = {}
    queue = deque(
        Task(payload.decode() + str(n), payload, silence if payload == b"hang" else 30.0)
        for n, payload in enumerate(payloads)
    )
    with Pool(Obedient(), jobs) as pool:
        for event in pool.run(queue, deadline or Deadline.after(60)):
            events.setdefault(event.task.name, []).append(event)
    return events


def _last_piece(events: list[object]) -> bytes:
    pieces = [event for event in events if isinstance(event, Piece)]
    return pieces[-1].payload


def test_every_task_is_answered_piece_by_piece() -> None:
    events = _run(*(f"task-{n}".encode() for n in range(20)))
    assert len(events) == 20
    for name, heard in events.items():
        assert [type(event) for event in heard] == [Piece, Piece, Done]
        assert _last_piece(heard).decode().startswith(name.split("-")[0])


def test_a_worker_that_dies_costs_only_its_task() -> None:
    events = _run(b"a", b"die", b"b", b"exit", b"c")
    assert [_last_piece(events[name]) for name in ("a0", "b2", "c4")] == [b"aa", b"bb", b"cc"]
    lost = events["die1"][-1]
    assert isinstance(lost, Lost)
    assert lost.pieces == 1
    assert "SIGKILL" in lost.why
    assert isinstance(events["exit3"][-1], Lost)


def test_a_worker_that_hangs_is_replaced() -> None:
    events = _run(b"hang", b"a", b"b", jobs=1, silence=2.0)
    assert isinstance(events["hang0"][-1], Lost)
    assert _last_piece(events["b2"]) == b"bb"


def test_memory_is_bounded() -> None:
    events = _run(b"eat", b"a", jobs=1)
    assert isinstance(events["eat0"][-1], Lost)
    assert _last_piece(events["a1"]) == b"aa"


def test_what_a_worker_prints_does_no_harm() -> None:
    assert _last_piece(_run(b"print")["print0"]) == b"printprint"


def test_the_deadline_ends_tasks_under_way_and_leaves_the_rest_unbegun() -> None:
    events = _run(b"hang", b"hang", b"a", jobs=2, deadline=Deadline.after(2))
    assert set(events) == {"hang0", "hang1"}
    assert all(isinstance(heard[-1], Lost) for heard in events.values())


def test_leaving_the_pool_leaves_no_process_behind() -> None:
    with Pool(Obedient(), 2) as pool:
        for event in pool.run(deque([Task("a", b"a"), Task("b", b"b")]), Deadline.after(60)):
            if isinstance(event, Done):
                break
        workers = [worker.process for worker in pool._workers]
    assert workers
    assert all(process.poll() is not None for process in workers)


def test_workers_do_not_outlive_a_parent_that_is_killed() -> None:
    code = """
import os, signal, sys
from collections import deque
from customhouse.host.deadline import Deadline
from customhouse.host.pool import Pool, Task
from tests.host.test_pool import Obedient
with Pool(Obedient(), 1) as pool:
    for event in pool.run(deque([Task("hang", b"hang")]), Deadline.after(60)):
        print(pool._workers[0].process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    worker = int(parent.stdout)
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2]:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the worker is still there")


def test_the_caller_may_add_tasks_while_reading() -> None:
    queue = deque([Task("first", b"a")])
    seen = []
    with Pool(Obedient(), 1) as pool:
        for event in pool.run(queue, Deadline.after(60)):
            if isinstance(event, Done):
                seen.append(event.task.name)
                if len(seen) < 3:
                    queue.append(Task(f"next-{len(seen)}", b"b"))
    assert seen == ["first", "next-1", "next-2"]
