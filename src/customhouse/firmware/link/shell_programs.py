"""Programs that a script runs: found on the path, followed where they are scripts, unwrapped where they run others."""

from dataclasses import replace

from . import shell_openrc, shell_openwrt
from .mounts import fstab, is_stored
from .shell_run import Machine
from .shell_starts import TABLE, look_up, record
from .shell_state import UNKNOWN, YES, Ends, Frame, Guard, State, Truth, Value
from .shell_syntax import Simple
from .shell_words import absolute, is_volatile

_SUCCEEDS = frozenset(TABLE["succeeds"])
_ASKS = frozenset(TABLE["asks"])
_WRAPS: dict[str, str] = TABLE["wraps"]
_SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "mksh", "hush", "rbash", "lash", "msh"})
_MAX_CHAIN = 24


def run_program(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """A command that is neither function nor built-in."""
    name = words[0].text
    base = name.rpartition("/")[2]
    if base in ("busybox", "toybox") and len(words) > 1:
        return _applet(machine, command, words, state, frame)
    if base in _SPECIAL:
        return _SPECIAL[base](machine, command, words, state, frame)
    if base in _WRAPS:
        inner = _unwrapped(words, _WRAPS[base])
        ends = machine.commands(machine, command, inner, state, frame) if inner else Ends(state, UNKNOWN)
        # `exec` replaces the shell; without a command it only redirects
        return Ends(None) if base == "exec" and inner else ends
    if base in _SHELLS:
        return Ends(state, _shell(machine, command, words, state, frame))
    path = look_up(machine, name, state)
    if path is None:
        return _missing(machine, command, words, state, frame)
    return Ends(state, run_path(machine, command, path, words[1:], state, frame))


def _applet(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`busybox telnetd`: needs no link. Applets that the shell knows too mean what they mean there."""
    name = words[1].text
    path = look_up(machine, words[0].text, state)
    if name == "--install" and path is not None:
        machine.installed = path
        return Ends(state, YES)
    plain = name in TABLE["succeeds"] or name in _WRAPS or name in _SPECIAL or name in _SHELLS
    if path is None or plain or not words[1].known or look_up(machine, name, state) is not None:
        return machine.commands(machine, command, words[1:], state, frame)
    record(machine, command, path, words[2:], state, frame, applet=name)
    return Ends(state, UNKNOWN)


def run_path(machine: Machine, command: Simple, path: str, arguments: list[Value], state: State, frame: Frame) -> Truth:
    """A file is executed: scripts are followed in a process of their own, anything else is a start."""
    text = machine.files.text(path)
    facts = machine.files.facts_of(path)
    if text is not None and facts is not None and facts.elf is None:
        first, _, _ = text.partition("\n")
        interpreter = first[2:].split() if first.startswith("#!") else ["/bin/sh"]
        shell = interpreter[0].rpartition("/")[2] if interpreter else "sh"
        if shell == "env" and len(interpreter) > 1:
            shell = interpreter[1]
        if "rc.common" in first:
            return shell_openwrt.run_common(machine, path, arguments, state, frame)
        if shell in shell_openrc.INTERPRETERS:
            return shell_openrc.run_openrc(machine, path, arguments, state, frame)
        if shell in _SHELLS:
            return run_script(machine, path, arguments, state, frame)
    base = path.rpartition("/")[2]
    if not (base in _SUCCEEDS or base in _ASKS):
        record(machine, command, path, arguments, state, frame)
    if base in _ASKS:
        return UNKNOWN
    return YES if base in _SUCCEEDS else UNKNOWN


def run_script(machine: Machine, path: str, arguments: list[Value], state: State, frame: Frame) -> Truth:
    """Follow a script in a process of its own: it inherits variables, but not functions."""
    text = machine.files.text(path)
    if text is None:
        return UNKNOWN
    key = f"{machine.files.real(path)} {' '.join(argument.text for argument in arguments)}"
    if key in frame.once or frame.depth > _MAX_CHAIN:
        machine.budget.cut(f"script {path}", "runs itself again; the second time was not followed")
        return UNKNOWN
    inside = replace(state, functions={}, arguments=tuple(arguments), name=path)
    ends = machine.run(machine.script(path, text).body, inside, frame.into(path, key))
    return ends.status if ends.normal is not None else UNKNOWN


def has_applet(machine: Machine, busybox: str, name: str) -> bool | None:
    """Whether the applet's name is among the strings of the program; None when its bytes are not at hand."""
    node = machine.files.node(busybox)
    path = machine.contents.get(node.digest) if node is not None and node.digest is not None else None
    if path is None:
        return None
    return b"\0" + name.encode("utf-8", "surrogateescape") + b"\0" in path.read_bytes()


def _missing(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    name = words[0].text
    base = name.rpartition("/")[2]
    if base in _SUCCEEDS:
        return Ends(state, YES)
    if base in _ASKS:
        return Ends(state, UNKNOWN)
    applet = has_applet(machine, machine.installed, base) if machine.installed else False
    if applet is not False:
        state_there = state if applet else state.guarded(Guard(f"busybox has the applet {base}", None))
        record(machine, command, machine.installed, words[1:], state_there, frame, applet=base)
        return Ends(state, UNKNOWN)
    path = absolute(name, state) if "/" in name else name
    record(machine, command, path, words[1:], state, frame)
    seen = "/" in name and not is_volatile(path) and not machine.files.unseen(path)
    return Ends(state, Truth(False, shipped=True) if seen else UNKNOWN)


def _unwrapped(words: list[Value], takes_value: str) -> list[Value]:
    """The wrapped command's words: options of the wrapper, its assignments and a duration are dropped."""
    at = 1
    while at < len(words):
        text = words[at].text
        if text == "--":
            return words[at + 1 :]
        if text.startswith("-") and len(text) > 1:
            at += 2 if len(text) == 2 and text[1] in takes_value else 1
        elif "=" in text.partition("/")[0] or (words[0].text.endswith("timeout") and text[:1].isdigit()):
            at += 1
        else:
            return words[at:]
    return []


def _shell(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Truth:
    """`sh file args`, `sh -c text`; a shell without either is interactive and is recorded."""
    at = 1
    while at < len(words) and words[at].text.startswith("-") and len(words[at].text) > 1:
        if "c" in words[at].text[1:] and at + 1 < len(words):
            text = words[at + 1]
            if not text.known:
                return UNKNOWN
            inside = replace(state, arguments=tuple(words[at + 3 :]))
            return machine.aside(machine.script(frame.script, text.text).body, inside, frame)
        at += 1
    if at < len(words):
        if not words[at].known:
            return UNKNOWN
        path = absolute(words[at].text, state)
        if not machine.files.exists(path):
            record(machine, command, path, words[at + 1 :], state, frame)
        return run_script(machine, path, words[at + 1 :], state, frame)
    path = look_up(machine, words[0].text, state) or absolute(words[0].text, state)
    record(machine, command, path, words[1:], state, frame)
    return UNKNOWN


_DAEMON_OPTIONS = frozenset(
    {"-p", "--pidfile", "-n", "--name", "-N", "--nicelevel", "-g", "--group", "-s", "--signal", "-r", "--chroot"}
    | {"-d", "--chdir", "-R", "--retry", "-k", "--umask"}
)


def _start_stop_daemon(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`-S -x program -c user -- arguments` (busybox and dpkg)."""
    program, user, at, starts = None, "", 1, False
    values = {"-x": "", "--exec": "", "-a": "", "--startas": "", "-c": "", "--chuid": "", "-u": "", "--user": ""}
    while at < len(words) and words[at].text.startswith("-"):
        text, _, glued = words[at].text.partition("=")
        if text == "--":
            at += 1
            break
        starts |= text in ("-S", "--start") or (text[1:2] != "-" and "S" in text[1:])
        taking = text if text in values or text in _DAEMON_OPTIONS else "-" + text[-1] if text[1:2] != "-" else text
        if (taking in values or taking in _DAEMON_OPTIONS) and not glued and at + 1 < len(words):
            at += 1
            glued = words[at].text
            if not words[at].known and taking in values:
                return Ends(state, UNKNOWN)
        program = (
            glued if taking in ("-a", "--startas") or (taking in ("-x", "--exec") and program is None) else program
        )
        user = glued.partition(":")[0] if taking in ("-c", "--chuid") else user
        at += 1
    if not starts or program is None:
        return Ends(state, YES)
    inner = [Value(program), *words[at:]]
    deeper = replace(frame, user=user or frame.user, background=True)
    machine.commands(machine, command, inner, state, deeper)
    return Ends(state, YES)


def _su(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`su [-] user -c command`."""
    texts = [word.text for word in words]
    at = next((index for index, text in enumerate(texts) if text == "-c"), None)
    users = [text for index, text in enumerate(texts[1:], 1) if not text.startswith("-") and index - 1 != at]
    user = users[0] if users and at is not None else "root"
    if at is None or at + 1 >= len(words) or not words[at + 1].known:
        return Ends(state, UNKNOWN)
    body = machine.script(frame.script, texts[at + 1]).body
    return Ends(state, machine.aside(body, state, replace(frame, user=user)))


def _run_parts(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """Every executable of a folder; `-a`/`--arg` are handed on."""
    arguments: list[Value] = []
    folder = ""
    at = 1
    while at < len(words):
        text = words[at].text
        if text.startswith("--arg="):
            arguments.append(Value(text[6:]))
        elif text in ("-a", "--arg") and at + 1 < len(words):
            at += 1
            arguments.append(words[at])
        elif not text.startswith("-"):
            folder = absolute(text, state)
        at += 1
    for name in machine.files.names(folder) if folder else ():
        run_path(machine, command, f"{folder}/{name}", arguments, state, frame)
    return Ends(state, YES)


def _service(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`service name start`, `invoke-rc.d name start`."""
    if len(words) >= 3 and words[1].known:
        path = f"/etc/init.d/{words[1].text}"
        if machine.files.exists(path):
            return Ends(state, run_path(machine, command, path, words[2:], state, frame))
    return Ends(state, UNKNOWN)


def _openrc(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`openrc default`: every service of the runlevel."""
    level = words[1].text if len(words) > 1 else "default"
    for link in machine.files.glob(f"/etc/runlevels/{level}/*"):
        run_path(machine, command, link, [Value("start")], state, frame)
    return Ends(state, YES)


def _mount(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """A partition appears: its volume is laid over the mount point when the image holds it."""
    kind, plain, at, everything, options = "", [], 1, False, ""
    while at < len(words):
        text = words[at].text
        if text in ("-t", "-o", "-O") and at + 1 < len(words):
            at += 1
            kind, options = (words[at].text, options) if text == "-t" else (kind, options + words[at].text)
        elif text.startswith("-t") and len(text) > 2:
            kind = text[2:]
        elif text.startswith("-"):
            everything |= "a" in text[1:] and text[1:2] != "-"
        else:
            plain.append(words[at])
        at += 1
    if everything:
        for device, point, row_kind, row_options in fstab(machine.files.text("/etc/fstab") or ""):
            if "noauto" not in row_options.split(","):
                _lay(machine, device, point, row_kind, "/etc/fstab", f"{device} {point} {row_kind}")
    elif len(plain) == 2 and all(word.known for word in plain) and "remount" not in options:
        point = absolute(plain[1].text, state)
        if "bind" in options or "--bind" in [word.text for word in words]:
            machine.files = machine.files.with_link(point, plain[0].text)
        else:
            _lay(machine, plain[0].text, point, kind, frame.script, command.source)
    return Ends(state, YES)


def _lay(machine: Machine, device: str, point: str, kind: str, script: str, excerpt: str) -> None:
    if not point.startswith("/") or point == "/" or (kind and not is_stored(kind)):
        return
    evidence = (machine.files.evidence(script, excerpt),)
    mount = machine.partitions.mount(device, point, kind, evidence) if machine.partitions is not None else None
    if mount is not None:
        known = [one for one in machine.files.mounts if one.point != mount.point]
        machine.files = machine.files.mounted((*known, mount))
    elif device.startswith(("/dev/", "mtd", "ubi", "LABEL", "UUID")) and not machine.files.unseen(point):
        machine.files = machine.files.blinded(point)
        if device.startswith(("/dev/mtd", "mtd", "ubi", "/dev/ubi")):
            machine.not_here[point] = device


def _copy(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`cp`, `mv`, `ln -s`: what is put somewhere at boot can be run from there later."""
    plain = [word for word in words[1:] if not word.text.startswith("-")]
    if len(plain) < 2 or not all(word.known for word in plain) or len(plain) > 400:
        return Ends(state, YES)
    goal = absolute(plain[-1].text, state)
    into = len(plain) > 2 or plain[-1].text.endswith("/") or machine.files.is_directory(goal)
    for word in plain[:-1]:
        source = word.text if words[0].text.endswith("ln") else absolute(word.text, state)
        path = f"{goal}/{source.rpartition('/')[2]}" if into else goal
        exists = machine.files.exists(absolute(source, state))
        if exists and len(machine.files.laid) < 2000 and path not in machine.files.nodes:
            machine.files = machine.files.with_link(path, source)
    return Ends(state, YES)


def _runsvdir(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """runit and daemontools: `run` of every folder, again and again."""
    plain = [word.text for word in words[1:] if not word.text.startswith("-") and word.text.startswith("/")]
    folders = machine.files.glob(f"{plain[0].rstrip('/')}/*") if plain else ()
    for folder in folders:
        if machine.files.exists(f"{folder}/run") and not machine.files.exists(f"{folder}/down"):
            run_path(machine, command, f"{folder}/run", [], state, replace(frame, respawn=True))
    return Ends(state, YES)


def _interface(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`ifconfig eth0 up` does, `ifconfig eth0` asks."""
    return Ends(state, YES if len(words) > 2 else UNKNOWN)


def _running(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`pidof name`, while the device starts: it runs when it was started before."""
    names = [word.text.rpartition("/")[2] for word in words[1:] if not word.text.startswith("-")]
    started = {start.path.rpartition("/")[2] for start in machine.starts}
    return Ends(state, Truth(any(name in started for name in names)) if names else UNKNOWN)


def _chroot(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`chroot folder program`: the program is looked for below the folder."""
    if len(words) < 3 or not (words[1].known and words[2].known):
        return Ends(state, UNKNOWN)
    inside = absolute(f"{words[1].text}/{words[2].text}", state)
    program = inside if machine.files.exists(inside) else words[2].text
    return machine.commands(machine, command, [Value(program), *words[3:]], state, frame)


def _switch_root(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame) -> Ends:
    """`switch_root folder init`: what boots next is the init of the new root, which is ours."""
    plain = [word for word in words[1:] if not word.text.startswith("-")]
    if len(plain) > 1:
        record(machine, command, plain[1].text, plain[2:], state, frame)
    return Ends(None)


_SPECIAL = {
    "chroot": _chroot,
    "switch_root": _switch_root,
    "run-init": _switch_root,
    "ifconfig": _interface,
    "pidof": _running,
    "pgrep": _running,
    "start-stop-daemon": _start_stop_daemon,
    "su": _su,
    "run-parts": _run_parts,
    "service": _service,
    "invoke-rc.d": _service,
    "rc-service": _service,
    "openrc": _openrc,
    "mount": _mount,
    "cp": _copy,
    "mv": _copy,
    "ln": _copy,
    "runsvdir": _runsvdir,
    "svscan": _runsvdir,
    "s6-svscan": _runsvdir,
}
