"""A limit on processor time that holds whatever the code below it does.

The engine looks at its own deadline where it can; this is for where it does not. The kernel counts the process's own
time (ITIMER_PROF), so the limit does not depend on what else the machine is doing.
"""

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


class OutOfTime(BaseException):
    """Not an `Exception`, so that nothing on the way takes it for a fault of the input."""


@dataclass
class Limit:
    over: bool = False
    """The work was stopped."""


@contextmanager
def processor_time(seconds: float) -> Iterator[Limit]:
    """Stops what is inside after `seconds` of the process's time, and goes on behind it.

    Only the main thread can be stopped so; elsewhere there is no limit but the engine's own.
    """
    limit = Limit()
    if threading.current_thread() is not threading.main_thread():
        yield limit
        return

    def over(_signal: int, _frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield limit
    except OutOfTime:
        limit.over = True
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without garbage collection: what is made in one reading is many small objects that nearly all stay to its end.
    Looking through them again and again is dear, and in a large process one such look takes as long as a reading may.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
