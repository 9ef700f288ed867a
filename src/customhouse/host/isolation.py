"""Running a program that reads hostile bytes so that it can hurt nothing but itself.

The child sees the host read-only, has one folder to write to, a /tmp of its own, no network and no processes but its
own; it is bounded in memory, file size and CPU time, and it dies with us. bubblewrap does it where installed (as root
and as an ordinary user), else `unshare` from util-linux with `confinement.sh`; where neither can, we say so and stop.
"""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from .deadline import Deadline
from .errors import MissingTool

_HIDDEN = ("/home", "/root", "/run", "/tmp", "/var/tmp", "/mnt", "/media")  # noqa: S108 – hidden from the child, not used
_LIMITER = """
import os, resource, sys
memory, mapped, size, seconds, processes = (int(word) for word in sys.argv[1:6])
for limit, value in (
    (resource.RLIMIT_DATA, memory), (resource.RLIMIT_AS, memory + mapped), (resource.RLIMIT_FSIZE, size),
    (resource.RLIMIT_CPU, seconds),
    (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NPROC, processes),
):
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))
os.execvp(sys.argv[6], sys.argv[6:])
"""


@dataclass(frozen=True)
class Limits:
    """`memory` that each process may fill, `mapped` files on top of it and `file_size` in bytes, `cpu` in seconds;
    `processes` of this run."""

    memory: int = 1 << 30
    mapped: int = 2 << 30
    file_size: int = 1 << 30
    cpu: int = 3600
    processes: int = 64


@dataclass(frozen=True)
class Ended:
    """How the child ended. `status` is its exit status, negative for a signal; `messages` the end of its stderr."""

    status: int
    timed_out: bool
    messages: str


def run_isolated(
    command: Sequence[str],
    *,
    writable: Path,
    readable: Sequence[Path] = (),
    limits: Limits = Limits(),
    deadline: Deadline,
    isolate: bool = True,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[], None] = lambda: None,
) -> Ended:
    """Run `command` to its end or to the deadline, then remove whatever it started.

    `readable` are inputs that must stay visible though their folder may be hidden. `watch` is called about ten times
    a second. Raises `MissingTool` when the machine offers no isolation and `isolate` is set.
    """
    limited = _limited(command, limits)
    wrapped = _wrap(limited, writable, readable) if isolate else limited
    messages = writable / "messages.txt"
    with messages.open("wb") as sink:
        child = subprocess.Popen(
            wrapped,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=_environment(writable, environment or {}),
            cwd=writable,
            start_new_session=True,
        )
    try:
        timed_out = _wait(child, deadline, watch)
    finally:
        _end(child)
    return Ended(child.returncode, timed_out, _tail(messages))


def _wait(child: subprocess.Popen[bytes], deadline: Deadline, watch: Callable[[], None]) -> bool:
    pause = 0.01
    while child.poll() is None:
        if deadline.passed:
            return True
        watch()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(min(pause, max(deadline.remaining, 0.001)))
        pause = min(0.1, pause * 1.5)
    return False


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the whole session; inside a namespace of processes the kernel takes the rest along."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _tail(messages: Path, count: int = 4096) -> str:
    try:
        with messages.open("rb") as source:
            source.seek(max(0, messages.stat().st_size - count))
            return source.read(count).decode("utf-8", "replace")
    except OSError:
        return ""


def _environment(writable: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the user's environment goes in, apart from where programs are found."""
    programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    return {"PATH": programs, "HOME": str(writable), "LC_ALL": "C.UTF-8", "TMPDIR": str(writable), **more}


def _limited(command: Sequence[str], limits: Limits) -> list[str]:
    numbers = (limits.memory, limits.mapped, limits.file_size, limits.cpu, _own_processes() + limits.processes)
    return [sys.executable, "-I", "-S", "-c", _LIMITER, *(str(number) for number in numbers), *command]


def _own_processes() -> int:
    """The kernel counts all processes of a user, so the limit stands on those that are there already (threads too)."""
    count = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                count += sum(1 for _ in (entry / "task").iterdir())
    return count + 64


def _wrap(command: Sequence[str], writable: Path, readable: Sequence[Path]) -> list[str]:
    kept = [path for path in (*_python_folders(), *readable) if _is_hidden(path)]
    if bubblewrap_works():
        return [*_bubblewrap(writable, kept), *command]
    if namespaces_work():
        return [*_unshare(writable, kept), *command]
    raise MissingTool(
        "no way to isolate the unpacking of untrusted bytes is at hand (neither bubblewrap nor user namespaces work)",
        "install bubblewrap, or pass --no-isolation if you trust the image",
    )


def _python_folders() -> tuple[Path, ...]:
    """The interpreter, its packages and our own sources, wherever they are installed."""
    installed = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    packages = {Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))}
    return tuple(sorted({folder.absolute() for folder in installed | packages | {Path(__file__).resolve().parents[2]}}))


def _is_hidden(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _HIDDEN)


def _bubblewrap(writable: Path, kept: Sequence[Path]) -> list[str]:
    words = ["bwrap", "--die-with-parent", "--unshare-all", "--cap-drop", "ALL", "--ro-bind", "/", "/"]
    words += ["--dev", "/dev", "--proc", "/proc"]
    for folder in _HIDDEN:
        if Path(folder).is_dir() and not Path(folder).is_symlink():
            words += ["--tmpfs", folder]
    for path in kept:
        words += ["--ro-bind", str(path), str(path)]
    return [*words, "--bind", str(writable), str(writable), "--chdir", str(writable)]


def _unshare(writable: Path, kept: Sequence[Path]) -> list[str]:
    script = str(resources.files(__package__) / "confinement.sh")
    hidden = [folder for folder in _HIDDEN if Path(folder).is_dir() and not Path(folder).is_symlink()]
    words = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts"]
    words += ["--fork", "--kill-child=SIGKILL", "/bin/sh", script, str(writable)]
    return [*words, str(len(hidden)), *hidden, str(len(kept)), *(str(path) for path in kept)]


def available() -> bool:
    """Whether this machine can isolate at all."""
    return bubblewrap_works() or namespaces_work()


def describe() -> str:
    """Which way isolation goes here, in one line."""
    if bubblewrap_works():
        return "bubblewrap: read-only host, no network, private /tmp"
    if namespaces_work():
        return "namespaces by unshare: read-only host, no network, private /tmp"
    return "none: install bubblewrap, or pass --no-isolation"


@functools.cache
def bubblewrap_works() -> bool:
    """Installed, and the kernel lets it do all that we ask of it."""
    words = ["bwrap", "--unshare-all", "--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    return _succeeds([*words, "--tmpfs", "/tmp", "true"])  # noqa: S108 – hidden from the child, not used


@functools.cache
def namespaces_work() -> bool:
    """`unshare` may make the namespaces that `confinement.sh` needs."""
    words = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork"]
    return _succeeds([*words, "/bin/sh", "-c", "mount -t tmpfs tmpfs /tmp && mount -t proc proc /proc"])


def _succeeds(command: Sequence[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
