"""Processes: how they begin, wait for each other and end, and the commands that they run."""

from .calls import Answer, Call
from .codes import failed
from .turns import Gone, Process, Thread

_MOST_PROCESSES = 24
"""That live at once."""
_MOST_ARGUMENTS = 32
PROGRAM = b"/usr/sbin/device"
_NO_HANG = 1


# -- beginning and ending
def _start(call: Call) -> None:
    """The start-up function of the C library: calls `main`."""
    host, word = call.host, call.word_size
    main = call.number(0)
    arguments = [PROGRAM, *(host.arguments or ())]
    environment = [key.encode() + b"=" + value for key, value in host.world.script.environment.items()]
    pointers = [*map(host.constant, arguments), 0, *map(host.constant, environment), 0]
    table = host.allocate(word * len(pointers))
    for index, one in enumerate(pointers):
        call.ram.store(table + word * index, one, word)
    behind = table + word * (len(arguments) + 1)
    for name in ("environ", "__environ"):
        host.set_variable(name, behind)
    host.enter(main, (len(arguments), table, behind))


def _exit(call: Call) -> int:
    call.host.end_process((call.number(0) & 0xFF) << 8)
    raise Gone


def _abort(call: Call) -> int:
    call.host.end_process(6)
    raise Gone


def _replaced(call: Call) -> int:
    """The process is another program from now on, of which all goes well."""
    call.host.end_process()
    raise Gone


def _living(call: Call) -> int:
    return sum(1 for one in call.host.processes if not one.ended)


def _fork(call: Call) -> int | None:
    host = call.host
    parent = host.thread.process
    if _living(call) >= _MOST_PROCESSES:
        return failed(call, "EAGAIN")
    written = host.ram.written.items()
    memory = {one: page if one in host.shared else bytearray(page) for one, page in written}
    child = Process(_next_number(call), memory, dict(parent.open), parent.number, handlers=dict(parent.handlers))
    for one in parent.open.values():
        one.holders += 1
    host.processes.append(child)
    host.give(0)
    host.go_back()
    mine = host.thread
    host.threads.append(
        Thread(host.next_thread(), child, host.standing(), leads=True, room=mine.room, frames=list(mine.frames))
    )
    host.give(child.number)
    return None


def _next_number(call: Call) -> int:
    return int(call.host.processes[-1].number) + 1


def _wait(call: Call) -> int:
    host = call.host
    place, flags = _asked(call)
    mine = [one for one in host.processes if one.parent == host.thread.process.number]
    named = call.int32(0) if call.name in ("waitpid", "wait4") else -1
    if named > 0:
        mine = [one for one in mine if one.number == named]
    if not mine:
        return failed(call, "ECHILD")
    if not (flags & _NO_HANG) or any(one.ended for one in mine):
        host.wait(None, lambda: any(one.ended for one in mine))
    ended = next((one for one in mine if one.ended), None)
    if ended is None:
        return 0
    ended.parent, ended.written = 0, {}
    if place:
        call.ram.store(place, ended.status, 4)
    return int(ended.number)


def _asked(call: Call) -> tuple[int, int]:
    """Where the status is to be put, and the options."""
    if call.name == "wait":
        return call.number(0), 0
    return (call.number(0), call.number(1)) if call.name == "wait3" else (call.number(1), call.number(2))


# -- commands
def _system(call: Call) -> int:
    """Whether there is a shell, or how its command went: well."""
    if not call.number(0):
        return 1
    call.host.ran(call.name, call.text(0))
    return 0


def _listed(call: Call) -> int:
    """execl and its like: arguments one after the other up to a null pointer."""
    rest = call.rest(1)
    texts = [call.text(0)]
    for _ in range(_MOST_ARGUMENTS):
        at = rest.word()
        if not at:
            break
        texts.append(call.text_at(at))
    call.host.ran(call.name, *texts)
    return _replaced(call)


def _vector(call: Call, at: int) -> list[bytes]:
    out = []
    for index in range(_MOST_ARGUMENTS):
        one = call.ram.word(at + call.word_size * index)
        if not one:
            break
        out.append(call.text_at(one))
    return out


def _given(call: Call) -> int:
    """execv and its like."""
    call.host.ran(call.name, call.text(0), *_vector(call, call.number(1)))
    return _replaced(call)


def _spawn(call: Call) -> int:
    """A child that has done its work by the time that it is asked for."""
    call.host.ran(call.name, call.text(1), *_vector(call, call.number(4)))
    child = Process(_next_number(call), {}, {}, call.host.thread.process.number)
    call.host.processes.append(child)
    if call.number(0):
        call.ram.store(call.number(0), child.number, 4)
    call.host.end(child, 0)
    return 0


ANSWERS: dict[str, Answer] = {
    **dict.fromkeys(("__libc_start_main", "__uClibc_main"), _start),
    **dict.fromkeys(("exit", "_exit", "_Exit", "quick_exit"), _exit),
    **dict.fromkeys(("abort", "__assert_fail", "__assert"), _abort),
    **dict.fromkeys(("err", "errx", "verr", "verrx"), _exit),
    **dict.fromkeys(("fork", "vfork"), _fork),
    **dict.fromkeys(("wait", "waitpid", "wait3", "wait4"), _wait),
    **dict.fromkeys(("system", "__libc_system"), _system),
    **dict.fromkeys(("execl", "execlp", "execle"), _listed),
    **dict.fromkeys(("execv", "execvp", "execve", "execvpe"), _given),
    **dict.fromkeys(("posix_spawn", "posix_spawnp"), _spawn),
    "daemon": lambda call: 0,
    "getpid": lambda call: call.host.thread.process.number,
    "getppid": lambda call: call.host.thread.process.parent or 1,
}
