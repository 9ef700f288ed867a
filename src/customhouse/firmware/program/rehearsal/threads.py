"""Threads: how they begin and end, mutexes, conditions and semaphores."""

from .calls import Answer, Call
from .codes import code, failed
from .run import STACKS, STACKS_STEP
from .turns import Blocked, Gone, Thread

_ROOM_ABOVE = 4096
_BILLION = 1_000_000_000


def _thread(call: Call) -> int:
    host = call.host
    room = host.free_room()
    if room is None:
        return code(call, "EAGAIN")
    number = host.next_thread()
    place, function, argument = call.number(0), call.number(2), call.number(3)
    before, frames = host.standing(), host.thread.frames
    host.thread.frames = []
    host.machine.set(host.convention.stack, STACKS + STACKS_STEP * room - _ROOM_ABOVE)
    host.enter(function, (argument,))
    host.threads.append(
        Thread(number, host.thread.process, host.standing(), room=room, frames=host.thread.frames),
    )
    host.thread.frames = frames
    host.stand(before)
    if place:
        call.ram.store(place, number, call.word_size)
    return 0


def _lives(call: Call, number: int) -> bool:
    return any(one.number == number and not one.ended for one in call.host.threads)


def _join(call: Call) -> int:
    number = call.number(0)
    call.host.wait(None, lambda: not _lives(call, number))
    return 0


def _leave(call: Call) -> int:
    raise Gone


def _cancel(call: Call) -> int:
    """pthread_cancel: the thread is where it can be ended."""
    for one in call.host.threads:
        if one.number == call.number(0):
            one.ended = True
    return 0


def _key(call: Call, index: int) -> tuple[int, int]:
    """A mutex or a condition: each process has its own."""
    return call.host.thread.process.number, call.number(index)


# -- mutexes
def _lock(call: Call) -> int:
    """A mutex is taken; only one thread at a time goes on, so that it is free unless its holder waits."""
    host, key, mine = call.host, _key(call, 0), call.host.thread.number

    def is_free() -> bool:
        holder = host.locked.get(key)
        return holder in (None, mine) or not _lives(call, holder)

    if not is_free():
        if call.name.endswith("trylock"):
            return code(call, "EBUSY")
        raise Blocked(is_free)
    host.locked[key] = mine
    return 0


def _unlock(call: Call) -> int:
    call.host.locked.pop(_key(call, 0), None)
    return 0


# -- conditions
def _await(call: Call) -> int:
    """pthread_cond_wait: give the mutex up, and go on when someone says so (or time is over)."""
    host = call.host
    key, mutex = _key(call, 0), _key(call, 1)
    mine = f"condition {host.thread.number}"
    if mine not in host.kept:
        host.kept[mine] = host.told.get(key, 0)
        host.locked.pop(mutex, None)
    seen = host.kept[mine]
    end = _moment(call, call.number(2)) if call.name == "pthread_cond_timedwait" and call.number(2) else None

    def is_told() -> bool:
        return bool(host.told.get(key, 0) != seen)

    def is_over() -> bool:
        return end is not None and host.world.clock >= end

    if not is_told() and not is_over():
        raise Blocked(lambda: is_told() or is_over(), end)
    if mutex in host.locked:
        raise Blocked(lambda: mutex not in host.locked)
    del host.kept[mine]
    host.locked[mutex] = host.thread.number
    return 0 if is_told() else code(call, "ETIMEDOUT")


def _moment(call: Call, at: int) -> float:
    """A point of time, of a `struct timespec`."""
    return float(call.ram.word(at) + call.ram.word(at + call.word_size) / _BILLION)


def _tell(call: Call) -> int:
    key = _key(call, 0)
    call.host.told[key] = call.host.told.get(key, 0) + 1
    return 0


# -- semaphores
def _set_semaphore(call: Call) -> int:
    call.ram.store(call.number(0), call.number(2) & 0xFFFFFFFF, 4)
    return 0


def _post(call: Call) -> int:
    call.ram.store(call.number(0), call.ram.load(call.number(0), 4) + 1, 4)
    return 0


def _take(call: Call) -> int:
    ram, at, host = call.ram, call.number(0), call.host
    value = ram.load(at, 4)
    if value:
        ram.store(at, value - 1, 4)
        return 0
    if call.name == "sem_trywait":
        return failed(call, "EAGAIN")
    memory = host.thread.process.written

    def is_up() -> bool:
        return bool(_peek(call, memory, at))

    if call.name == "sem_wait":
        raise Blocked(is_up)
    end = _moment(call, call.number(1))
    if host.world.clock >= end:
        return failed(call, "ETIMEDOUT")
    raise Blocked(lambda: is_up() or host.world.clock >= end, end)


def _peek(call: Call, written: dict[int, bytearray], at: int) -> int:
    """A number in the memory of a process, whoever's turn it is."""
    now, call.ram.written = call.ram.written, written
    try:
        return call.ram.load(at, 4)
    finally:
        call.ram.written = now


def _value(call: Call) -> int:
    call.ram.store(call.number(1), call.ram.load(call.number(0), 4), 4)
    return 0


# -- the rest
def _once(call: Call) -> int:
    at = call.number(0)
    if not call.ram.load(at, 4):
        call.ram.store(at, 1, 4)
        call.invoke(call.number(1))
    return 0


def _new_key(call: Call) -> int:
    call.ram.store(call.number(0), call.host.next_thread(), 4)
    return 0


def _set_specific(call: Call) -> int:
    call.host.kept[_specific(call)] = call.number(1)
    return 0


def _specific(call: Call) -> str:
    return f"specific {call.host.thread.number} {call.number(0)}"


def _sleep(call: Call) -> int:
    """sleep, usleep, nanosleep, clock_nanosleep"""
    seconds: float
    if call.name == "sleep":
        seconds = call.number(0) & 0xFFFFFFFF
    elif call.name == "usleep":
        seconds = (call.number(0) & 0xFFFFFFFF) / 1_000_000
    elif call.name == "nanosleep":
        seconds = _moment(call, call.number(0))
    else:
        is_absolute = call.number(1) & 1
        seconds = _moment(call, call.number(2)) - (call.host.world.clock if is_absolute else 0)
    call.host.wait(seconds, lambda: False)
    return 0


ANSWERS: dict[str, Answer] = {
    "pthread_create": _thread,
    **dict.fromkeys(("pthread_join", "pthread_timedjoin_np"), _join),
    "pthread_exit": _leave,
    "pthread_cancel": _cancel,
    **dict.fromkeys(("pthread_mutex_lock", "pthread_mutex_trylock", "pthread_mutex_timedlock"), _lock),
    "pthread_mutex_unlock": _unlock,
    **dict.fromkeys(("pthread_spin_lock", "pthread_spin_trylock"), _lock),
    "pthread_spin_unlock": _unlock,
    **dict.fromkeys(("pthread_rwlock_rdlock", "pthread_rwlock_wrlock", "pthread_rwlock_unlock"), lambda call: 0),
    **dict.fromkeys(("pthread_cond_wait", "pthread_cond_timedwait"), _await),
    **dict.fromkeys(("pthread_cond_signal", "pthread_cond_broadcast"), _tell),
    "pthread_once": _once,
    "pthread_key_create": _new_key,
    "pthread_setspecific": _set_specific,
    "pthread_getspecific": lambda call: call.host.kept.get(_specific(call), 0),
    "sem_init": _set_semaphore,
    "sem_post": _post,
    "sem_getvalue": _value,
    **dict.fromkeys(("sem_wait", "sem_trywait", "sem_timedwait"), _take),
    **dict.fromkeys(("sleep", "usleep", "nanosleep", "clock_nanosleep"), _sleep),
    **dict.fromkeys(("pthread_self", "gettid"), lambda call: call.host.thread.number),
    "pthread_equal": lambda call: int(call.number(0) == call.number(1)),
}
