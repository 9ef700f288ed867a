"""What runs when the device is switched on: from the kernel's first process along every script that is called.

Sources: Linux init/main.c (which init is tried), busybox init.c, sysvinit inittab(5), OpenWrt procd.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from customhouse.model import Digest, FileTree, NotExamined

from . import boot_android, boot_extra, boot_inittab, boot_systemd
from .files import Files
from .mounts import Partitions
from .shell_commands import simple_command
from .shell_programs import run_path
from .shell_run import Machine
from .shell_starts import MULTI_CALL
from .shell_state import Frame, Start, State, Value
from .shell_syntax import Simple

_TRIED = ("/sbin/init", "/etc/init", "/bin/init", "/linuxrc", "/init", "/bin/sh")
_KERNEL_ARGUMENT = re.compile(r"(?:^|\s)init=(/\S+)")
_NAMES = ("init", "linuxrc", "procd", "systemd")


@dataclass(frozen=True)
class Boot:
    """Every program start in the order of the boot, the files with their partitions mounted, and what was left out."""

    starts: tuple[Start, ...]
    files: Files
    not_examined: tuple[NotExamined, ...]


def boot(tree: FileTree, files: Files, contents: Mapping[Digest, Path] | None = None) -> Boot:
    """Follow the boot. Never raises for what the image holds; without an init nothing can be seen to start."""
    arguments = kernel_arguments(tree)
    machine = Machine(files, simple_command, partitions=Partitions(tree, arguments), contents=contents or {})
    _first_process(machine, arguments)
    boot_extra.started_by_others(machine)
    return Boot(tuple(machine.starts), machine.files, tuple(_left_out(machine)))


def kernel_arguments(tree: FileTree) -> str:
    """The kernel command line, where a volume's header or a boot loader's environment tells it."""
    texts = [text for volume in tree.volumes for text in volume.detail.values()]
    return " ".join(text for text in texts if "mtdparts=" in text or "root=/" in text or _KERNEL_ARGUMENT.search(text))


def _first_process(machine: Machine, arguments: str) -> None:
    named = _KERNEL_ARGUMENT.search(arguments)
    tried = ([named[1]] if named else []) + list(_TRIED)
    if machine.files.exists("/etc/preinit") and named is None and machine.files.exists("/etc/rc.common"):
        tried.insert(0, "/etc/preinit")  # OpenWrt's kernels have it built in
    if boot_android.is_android(machine.files):
        boot_android.follow(machine)
        return
    for path in tried:
        if machine.files.node(path) is not None:
            _init(machine, path, Frame())
            return
    # No init in what was unpacked: a part of the image is missing, or the kernel brings it. The tables still tell.
    if boot_inittab.table(machine.files):
        boot_inittab.follow(machine)
    elif machine.files.exists("/etc/init.d/rcS") or machine.files.exists("/etc/rc.d/rcS"):
        boot_inittab.follow_default(machine)
    elif machine.files.exists("/etc/systemd/system"):
        boot_systemd.follow(machine, "/sbin/init")


def _init(machine: Machine, path: str, frame: Frame) -> None:
    """The first process. A script is followed; at its end it hands over to the real init."""
    if machine.files.text(path):
        before = len(machine.starts)
        run_path(machine, Simple((), (), (), path, 0), path, [], State(), frame)
        handed = [start for start in machine.starts[before:] if start.path.rpartition("/")[2] in _NAMES]
        machine.starts = [start for start in machine.starts if start not in handed]
        following = handed[0].path if handed else "/sbin/init"
        if following != path and machine.files.node(following) is not None and not machine.files.text(following):
            _init(machine, following, frame)
        return
    real = machine.files.real(path) or path
    if real.endswith("/systemd") or (real.endswith("/init") and machine.files.exists("/lib/systemd/systemd")):
        boot_systemd.follow(machine, path)
        return
    _compiled(machine, path, real)


def _compiled(machine: Machine, path: str, real: str) -> None:
    """busybox, sysvinit, procd, and vendors' own programs that read an inittab or nothing at all."""
    base = real.rpartition("/")[2]
    own = not base.startswith((*MULTI_CALL, "init", "sysvinit", "procd", "linuxrc", "finit", "openrc"))
    if boot_inittab.table(machine.files):
        boot_inittab.follow(machine)
    elif machine.files.exists("/etc/init.d/rcS") or base.startswith(MULTI_CALL):
        boot_inittab.follow_default(machine)
    elif machine.files.exists("/etc/rc.d") or machine.files.exists("/etc/rc.local"):
        boot_inittab.follow_links(machine)
    else:
        own = True
    if own:
        why = "is a program of the vendor's own; what it starts is written in no script"
        machine.budget.cut(f"first process {path}", why)
        frame = Frame(chain=(path,), script=path)
        from_init = Simple((), (), (), path, 0)
        run_path(machine, from_init, path, [Value("init")], State(), frame)


def _left_out(machine: Machine) -> Iterator[NotExamined]:
    for what, why in machine.budget.cuts.items():
        yield NotExamined(what=f"boot: {what}", outcome="skipped" if "budget" in why else "partial", why=why)
    for point, device in sorted(machine.not_here.items()):
        yield NotExamined(
            what=f"boot: {device}, mounted on {point}", outcome="unknown", why="this partition is not in the image"
        )
