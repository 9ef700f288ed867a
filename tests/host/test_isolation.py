"""A program that reads hostile bytes can hurt nothing but itself."""

import contextlib
import sys
import textwrap
import time
import uuid
from pathlib import Path

import pytest

from customhouse.host import isolation
from customhouse.host.deadline import Deadline
from customhouse.host.errors import MissingTool
from customhouse.host.isolation import Ended, Limits, run_isolated

WAYS = [
    pytest.param("bubblewrap", marks=pytest.mark.skipif(not isolation.bubblewrap_works(), reason="no bubblewrap here")),
    pytest.param("unshare", marks=pytest.mark.skipif(not isolation.namespaces_work(), reason="no namespaces here")),
]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of isolation that this machine has."""
    if request.param == "unshare":
        monkeypatch.setattr(isolation, "bubblewrap_works", lambda: False)
    return str(request.param)


def python(code: str, folder: Path, seconds: float = 20, limits: Limits | None = None, **options: object) -> Ended:
    command = [sys.executable, "-I", "-S", "-c", textwrap.dedent(code)]
    deadline = Deadline.after(seconds)
    return run_isolated(command, writable=folder, limits=limits or Limits(), deadline=deadline, **options)  # type: ignore[arg-type]


def test_only_the_work_folder_can_be_written(way: str, tmp_path: Path) -> None:
    work, beside = tmp_path / "work", tmp_path / "beside"
    work.mkdir()
    places = [f"/{folder}/customhouse-test-{uuid.uuid4()}" for folder in ("etc", "usr", "var", "tmp")]
    ended = python(
        f"""
        import pathlib
        for place in {[*places, str(beside)]}:
            try:
                pathlib.Path(place).write_text("escaped")
            except OSError:
                pass
        pathlib.Path("inside").write_text("kept")
        """,
        work,
    )
    assert ended.status == 0, ended.messages
    assert (work / "inside").read_text() == "kept"
    assert not beside.exists()
    assert not any(Path(place).exists() for place in places)


def test_there_is_no_network_and_no_foreign_process(way: str, tmp_path: Path) -> None:
    ended = python(
        """
        import os, socket
        try:
            socket.create_connection(("192.0.2.1", 80), 2)
        except OSError as trouble:
            print(trouble.errno)
        print(len([entry for entry in os.listdir("/proc") if entry.isdigit()]))
        """,
        tmp_path,
    )
    errno, processes = ended.messages.split()
    assert errno == "101"
    assert int(processes) <= 3


def test_files_of_users_are_hidden_and_named_inputs_are_not(way: str, tmp_path: Path) -> None:
    secret, named, work = tmp_path / "secret", tmp_path / "named", tmp_path / "work"
    secret.write_text("key")
    named.write_text("image")
    work.mkdir()
    if not tmp_path.is_relative_to("/tmp"):
        pytest.skip("the test's folder is not below one that is hidden")
    code = f"""
        import os
        print(os.path.exists("{secret}"), open("{named}").read())
        """
    assert python(code, work, readable=(named,)).messages.split() == ["False", "image"]


def test_memory_and_file_size_are_bounded(way: str, tmp_path: Path) -> None:
    limits = Limits(memory=200 << 20, file_size=1 << 20)
    assert "MemoryError" in python("x = bytes(400 << 20)", tmp_path, limits=limits).messages
    python("open('big', 'wb').write(bytes(3 << 20))", tmp_path, limits=limits)
    assert (tmp_path / "big").stat().st_size <= 1 << 20


def test_the_deadline_takes_everything_it_started_along(way: str, tmp_path: Path) -> None:
    code = """
        import os, time
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                break
        open(f"alive-{os.getpid()}", "w").write("x")
        while True:
            time.sleep(0.05)
            open("beat", "w").write(str(time.time()))
        """
    started = time.monotonic()
    assert python(code, tmp_path, seconds=1.5).timed_out
    assert time.monotonic() - started < 6
    time.sleep(0.3)
    beat = (tmp_path / "beat").read_text()
    time.sleep(0.5)
    assert (tmp_path / "beat").read_text() == beat


def test_the_environment_stays_outside(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    assert "abc" not in python("import os; print(dict(os.environ))", tmp_path).messages


def test_without_any_way_we_stop_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "bubblewrap_works", lambda: False)
    monkeypatch.setattr(isolation, "namespaces_work", lambda: False)
    with pytest.raises(MissingTool) as caught:
        python("print(1)", tmp_path)
    assert "--no-isolation" in caught.value.hint
    assert not isolation.available()
    assert isolation.describe().startswith("none")
    assert python("print(1)", tmp_path, isolate=False).messages == "1\n"


def test_an_interrupt_leaves_no_child(way: str, tmp_path: Path) -> None:
    beats = []

    def interrupt() -> None:
        beats.append(1)
        if (tmp_path / "up").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        python("open('up', 'w'); import time; time.sleep(60)", tmp_path, watch=interrupt)
    assert beats
    ends = time.monotonic() + 3
    while _running_in(tmp_path) and time.monotonic() < ends:
        time.sleep(0.02)  # the kernel takes the namespace down by itself, a moment later
    assert not _running_in(tmp_path)


def _running_in(folder: Path) -> list[str]:
    """Processes whose current folder it is."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if process.readlink() == folder:
                found.append(str(process))
    return found
