"""Queues of messages between processes: those of POSIX and those of System V."""

from .calls import Answer, Call
from .codes import code, failed
from .descriptors import MOST, new, opened
from .world import Open

_NO_WAIT = 0x800


def _open(call: Call) -> int:
    """mq_open: all that open the same name have the same queue."""
    name, bound = call.text(0), call.host.world.bound
    if name not in bound:
        bound[name] = Open("pair", bounded=True)
        bound[name].peer, bound[name].holders = bound[name], 1
    bound[name].waits = not call.number(1) & code(call, "O_NONBLOCK")
    return new(call, bound[name])


def _send(call: Call) -> int:
    one = opened(call, call.int32(0))
    if one is None:
        return failed(call, "EBADF")
    one.messages.append(call.ram.read(call.number(1), min(call.number(2), MOST)))
    return 0


def _receive(call: Call) -> int:
    one = opened(call, call.int32(0))
    if one is None:
        return failed(call, "EBADF")
    limit = 1.0 if call.name == "mq_timedreceive" else None
    if not (one.messages or one.waits):
        return failed(call, "EAGAIN")
    if not call.host.wait(limit, lambda: bool(one.messages)):
        return failed(call, "ETIMEDOUT")
    message = one.messages.pop(0)
    call.ram.write(call.number(1), message)
    if call.number(3):
        call.ram.store(call.number(3), 0, 4)
    return len(message)


def _attributes(call: Call) -> int:
    """mq_getattr: flags, most messages, their size, how many there are."""
    one = opened(call, call.int32(0))
    for index, value in enumerate((0, 10, 8192, len(one.messages) if one is not None else 0)):
        call.ram.store(call.number(1) + call.word_size * index, value, call.word_size)
    return 0


# -- System V
def _queue(call: Call) -> int:
    """msgget"""
    key = call.number(0) or f"private {len(call.host.queues)}"
    call.host.queues.setdefault(key, [])
    return list(call.host.queues).index(key)


def _put(call: Call) -> int:
    """msgsnd: the type stands in front."""
    queue = list(call.host.queues.values())[call.int32(0)]
    queue.append(call.ram.read(call.number(1), call.word_size + min(call.number(2), MOST)))
    return 0


def _take(call: Call) -> int:
    """msgrcv: the first message, or the first of a type."""
    queue, kind, word = list(call.host.queues.values())[call.int32(0)], call.signed(3), call.word_size

    def fitting() -> bytes | None:
        return next((one for one in queue if kind <= 0 or int.from_bytes(one[:word], call.ram.order) == kind), None)

    if call.number(4) & _NO_WAIT and fitting() is None:
        return failed(call, "EAGAIN")
    call.host.wait(None, lambda: fitting() is not None)
    message = fitting() or b""
    queue.remove(message)
    call.ram.write(call.number(1), message[: word + call.number(2)])
    return len(message) - word


ANSWERS: dict[str, Answer] = {
    "mq_open": _open,
    **dict.fromkeys(("mq_send", "mq_timedsend"), _send),
    **dict.fromkeys(("mq_receive", "mq_timedreceive"), _receive),
    "mq_getattr": _attributes,
    **dict.fromkeys(("mq_close", "mq_unlink", "mq_setattr", "msgctl"), lambda call: 0),
    "msgget": _queue,
    "msgsnd": _put,
    "msgrcv": _take,
}
