"""Signals: who is told, what their handlers interrupt, alarms, and functions that jump back."""

from typing import TYPE_CHECKING

from ..ram import Fault
from .calls import Answer, Call
from .turns import Gone, Handler, Process, Standing, Suspended
from .waiting import timeval

if TYPE_CHECKING:
    from .run import Run

_ALARM = 14
_EINTR = 4
_HARMLESS = frozenset((17, 18, 19, 20, 21, 22, 23, 25, 28))
"""Signals that end nobody who has no handler: of ended children, of terminals, of going on."""
_CHILD, _CHILD_OF_MIPS = 17, 18

_NEVER_RESTARTED = ("select", "poll", "epoll", "sleep", "pause", "sigsuspend", "pselect", "ppoll")
_RESTART = 0x10000000
_MASK = 128
"""Bytes of a `sigset_t`."""


# -- signals that come
def ring(host: "Run") -> None:
    """The alarms whose time has come ring."""
    for process in host.processes:
        if process.alarm is not None and process.alarm <= host.world.clock:
            process.alarm = host.world.clock + process.every if process.every else None
            deliver(host, process, _ALARM)


def child_ended(host: "Run", parent: Process) -> None:
    """Tell a process that a child of its has ended."""
    deliver(host, parent, _CHILD_OF_MIPS if host.image.architecture == "mips" else _CHILD)


def deliver(host: "Run", process: Process, number: int) -> None:
    """A signal comes: the handler runs first, in the thread that leads the process."""
    handler = process.handlers.get(number, Handler())
    if handler.function == 0 and number not in _HARMLESS:
        host.end(process, number)
    thread = next((one for one in host.threads if one.process is process and one.leads and not one.ended), None)
    if handler.function <= 1 or thread is None:
        return
    before = host.thread
    host.switch(thread, wake=False)
    interrupted = thread.until is not None and _is_interrupted(host, handler)
    thread.suspended.append(Suspended(host.standing(), interrupted))
    thread.until = thread.at = None
    host.enter(handler.function, (number, 0, 0))
    host.switch(before, wake=False)


def _is_interrupted(host: "Run", handler: Handler) -> bool:
    """Whether the call that a thread waits in fails when a handler has run."""
    name = host.image.import_name(host.machine.pc) or ""
    if name.startswith("pthread_"):
        return False
    return not handler.restarts or any(one in name for one in _NEVER_RESTARTED)


def resume(host: "Run") -> bool:
    """A function has returned that nobody called: whether it was a handler, behind which its thread goes on."""
    thread = host.thread
    if not thread.suspended:
        return False
    back = thread.suspended.pop()
    host.stand(back.standing)
    if back.interrupted:
        host.waits.pop(thread.number, None)
        host.ram.store(host.errno(), _EINTR, 4)
        host.give(0 if host.image.import_name(back.standing.pc) == "sleep" else host.ram.mask)
        host.go_back()
    return True


# -- what is asked for
def _signal(call: Call) -> int:
    handlers, number = call.host.thread.process.handlers, call.int32(0)
    before = handlers.get(number, Handler())
    handlers[number] = Handler(call.number(1), call.name != "__sysv_signal")
    return int(before.function)


def _action(call: Call) -> int:
    """sigaction"""
    handlers, number, ram, word = call.host.thread.process.handlers, call.int32(0), call.ram, call.word_size
    before = handlers.get(number, Handler())
    new, old = call.number(1), call.number(2)
    is_mips = call.architecture == "mips"
    handler_at, flags_at = (4, 0) if is_mips else (0, word + _MASK)
    if new:
        handlers[number] = Handler(ram.word(new + handler_at), bool(ram.load(new + flags_at, 4) & _RESTART))
    if old:
        ram.write(old, bytes(word + _MASK + 4))
        ram.store(old + handler_at, before.function, word)
    return 0


def _alarm(call: Call) -> int:
    process, clock = call.host.thread.process, call.host.world.clock
    before = max(0, int((process.alarm or clock) - clock))
    process.alarm, process.every = clock + call.number(0) if call.number(0) else None, 0.0
    return before


def _set_timer(call: Call) -> int:
    """setitimer: the time that goes by, not that which is worked."""
    process, at = call.host.thread.process, call.number(1)
    if call.number(0) != 0 or not at:
        return 0
    first = timeval(call, at + 2 * call.word_size, 1_000_000)
    process.every = timeval(call, at, 1_000_000) or 0.0
    process.alarm = call.host.world.clock + first if first else None
    return 0


def _send(call: Call) -> int | None:
    """kill, raise: a signal for a process of the program."""
    host = call.host
    own = call.name in ("raise", "pthread_kill", "tgkill")
    number = call.int32(0 if call.name == "raise" else 1)
    wanted = host.thread.process.number if own else abs(call.int32(0)) or host.thread.process.number
    process = next((one for one in host.processes if one.number == wanted and not one.ended), None)
    if process is None or not number:
        return 0
    if process is not host.thread.process:
        deliver(host, process, number)
        return 0
    host.give(0)
    host.go_back()
    deliver(host, process, number)
    if process.ended:
        raise Gone
    return None


def _pause(call: Call) -> int:
    """pause, sigsuspend, sigwait: until a handler has run."""
    call.host.wait(None, lambda: False)
    return 0


# -- jumps
def _set_jump(call: Call) -> None:
    host, key = call.host, (call.host.thread.process.number, call.number(0))
    host.give(0)
    host.go_back()
    host.jumps[key] = host.standing()


def _jump(call: Call) -> None:
    host, value = call.host, call.int32(1)
    found = host.jumps.get((host.thread.process.number, call.number(0)))
    if not isinstance(found, Standing):
        raise Fault("a jump to nowhere")
    host.stand(found)
    host.give(value or 1)


def _smashed(call: Call) -> int:
    raise Fault("the stack was smashed")


ANSWERS: dict[str, Answer] = {
    **dict.fromkeys(("signal", "__sysv_signal", "bsd_signal"), _signal),
    "sigaction": _action,
    "alarm": _alarm,
    "setitimer": _set_timer,
    **dict.fromkeys(("kill", "raise", "pthread_kill", "killpg"), _send),
    **dict.fromkeys(("pause", "sigsuspend", "sigwait", "sigwaitinfo", "sigtimedwait"), _pause),
    **dict.fromkeys(("setjmp", "_setjmp", "__sigsetjmp", "sigsetjmp"), _set_jump),
    **dict.fromkeys(("longjmp", "_longjmp", "siglongjmp", "__longjmp_chk"), _jump),
    **dict.fromkeys(("__stack_chk_fail", "__fortify_fail", "__chk_fail"), _smashed),
}
