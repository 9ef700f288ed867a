"""<time.h>: the clock of the world, and moments taken apart and written."""

import calendar
import time

from .calls import Answer, Call, signed

_FIELDS = 9
_DAY = 86400
_LATEST = 1 << 34
_BILLION, _MILLION = 1_000_000_000, 1_000_000


def _seconds(call: Call) -> int:
    now = int(call.host.world.clock)
    if call.number(0):
        call.ram.store(call.number(0), now, call.word_size)
    return now


def _moment(call: Call) -> int:
    """gettimeofday, clock_gettime"""
    is_day = call.name == "gettimeofday"
    at, clock = call.number(0 if is_day else 1), call.host.world.clock
    call.ram.store(at, int(clock), call.word_size)
    call.ram.store(at + call.word_size, int(clock % 1 * (_MILLION if is_day else _BILLION)), call.word_size)
    return 0


def _broken_down(call: Call) -> int:
    """localtime, gmtime: nine numbers, which live on."""
    told = time.gmtime(min(call.ram.word(call.number(0)), _LATEST))
    fields = (told[5], told[4], told[3], told[2], told[1] - 1, told[0] - 1900, (told[6] + 1) % 7, told[7] - 1, 0)
    at = call.number(1) if call.name.endswith("_r") else call.host.place("time", 64)
    for index, one in enumerate(fields):
        call.ram.store(at + 4 * index, one, 4)
    return int(at)


def _fields(call: Call, at: int) -> list[int]:
    return [signed(call.ram.load(at + 4 * index, 4), 32) for index in range(_FIELDS)]


def _together(call: Call) -> int:
    """mktime, timegm"""
    second, minute, hour, day, month, year, *_ = _fields(call, call.number(0))
    years, month = divmod(month, 12)
    try:
        moment = calendar.timegm((year + 1900 + years, month + 1, 1, hour, minute, second)) + (day - 1) * _DAY
    except (ValueError, OverflowError):
        return call.ram.mask
    return moment & call.ram.mask


def _written(call: Call) -> int:
    """strftime"""
    second, minute, hour, day, month, year, weekday, yearday, _ = _fields(call, call.number(3))
    told = (year + 1900, month % 12 + 1, day, hour, minute, second, (weekday - 1) % 7, yearday + 1, 0)
    try:
        text = time.strftime(call.text(2).decode("latin-1"), told).encode("latin-1", "replace")
    except ValueError:
        text = b"2023-11-15"
    if len(text) >= call.number(1):
        return 0
    call.ram.write(call.number(0), text + b"\0")
    return len(text)


def _as_text(call: Call) -> int:
    return int(call.host.constant(b"Wed Nov 15 12:00:00 2023\n"))


def _passed(call: Call) -> int:
    """times: ticks, of which there are a hundred in a second."""
    return int(call.host.world.clock * 100) & call.ram.mask


ANSWERS: dict[str, Answer] = {
    "time": _seconds,
    **dict.fromkeys(("gettimeofday", "clock_gettime"), _moment),
    **dict.fromkeys(("localtime", "gmtime", "localtime_r", "gmtime_r"), _broken_down),
    **dict.fromkeys(("mktime", "timegm", "timelocal"), _together),
    "strftime": _written,
    **dict.fromkeys(("ctime", "asctime"), _as_text),
    "times": _passed,
    "clock": lambda call: call.host.machine.operations & call.ram.mask,
    "difftime": lambda call: call.host.give_double(float(call.signed(0) - call.signed(1))),
}
