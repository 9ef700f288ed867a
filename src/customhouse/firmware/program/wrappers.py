"""Names functions of the C library by what they ask of the kernel, and by the memory and processes that they make."""

import re
from typing import NamedTuple

from .behaviour import Seen
from .emulator import CALLBACK
from .kernel import HEAP_SIZE, MAPPINGS, Asked
from .process import BUFFERS, Answer, Process
from .ram import Fault

NASTY = b"a;b|c&d`e`$(f)>g'h\"i\\j *?\n%s"
"""A command that no check of its characters lets pass: what hands it on unchanged is no function that checks."""
_LIMIT = 60_000
_BESIDE = frozenset(
    (
        "rt_sigprocmask",
        "sigprocmask",
        "futex",
        "futex_time64",
        "getpid",
        "gettid",
        "set_robust_list",
        "rseq",
        "madvise",
        "brk",
        "mmap",
        "mmap2",
        "munmap",
        "mprotect",
        "set_tid_address",
    )
)
_BARE = frozenset(
    (
        "getpid",
        "getuid",
        "getgid",
        "geteuid",
        "getegid",
        "getppid",
        "setsid",
        "getpgrp",
        "sched_yield",
        "pause",
        "gettid",
        "nanosleep",
        "clock_nanosleep",
        "clock_nanosleep_time64",
        "clock_gettime",
        "clock_gettime64",
        "gettimeofday",
        "time",
        "sysinfo",
        "times",
    )
)
"""Calls that say what a function is for without its arguments in them."""
_SAME = {
    "_newselect": "select",
    "pselect6": "select",
    "pselect6_time64": "select",
    "ppoll": "poll",
    "ppoll_time64": "poll",
    "rt_sigaction": "sigaction",
    "rt_sigprocmask": "sigprocmask",
    "newfstatat": "stat",
    "fstatat64": "stat",
    "faccessat": "access",
    "faccessat2": "access",
    "clock_nanosleep": "nanosleep",
    "clock_nanosleep_time64": "nanosleep",
    "clock_gettime64": "clock_gettime",
    "wait4": "waitpid",
    "epoll_pwait": "epoll_wait",
    "recvmmsg_time64": "recvmmsg",
}
_HERE = -100
_AT = re.compile(r"^(open|unlink|mkdir|mknod|fchmod|fchown|rename|renameat2|symlink|link|readlink|access|faccess)at2?$")
_PROCESS = frozenset(("clone", "fork", "vfork", "execve", "pipe", "pipe2", "rt_sigaction", "rt_sigprocmask"))


class Given(NamedTuple):
    """The arguments of the first probe, by which a wrapper is told from the order in which it hands them on."""

    first: int
    second: int
    third: int
    fourth: int
    fifth: int
    sixth: int


GIVEN = Given(BUFFERS + 0x40, BUFFERS + 0x1040, 4, BUFFERS + 0x2040, 97, 98)


def by_calls(seen: Seen, mask: int) -> str | None:
    """A name for a function that asked the kernel for one thing, handing its own arguments on."""
    asked = seen.answer.asked
    if any(one.name == "execve" for one in asked):
        return _executed(next(one for one in asked if one.name == "execve"))
    if seen.answer.ended == "exit":
        names = {one.name for one in asked}
        return "exit" if names <= {"exit", "exit_group", "futex"} else _died(seen)
    if seen.answer.ended != "return":
        return None
    relevant = [one for one in asked if one.name not in _BESIDE] or list(asked)
    if len({one.name for one in relevant}) != 1 or len(relevant) > 2:
        return None
    one = relevant[0]
    if one.name.startswith("number"):
        return None
    if one.name in ("clone", "fork", "vfork"):
        return "fork" if seen.answer.result == 0 and GIVEN.first not in one.arguments else None
    if one.name in _BARE:
        return _SAME.get(one.name, one.name)
    return _wrapper(one, mask)


def _wrapper(one: Asked, mask: int) -> str | None:
    arguments = [value & mask for value in one.arguments]
    name = one.name
    if (arguments[0] ^ _HERE) & 0xFFFFFFFF == 0 and arguments[1] == GIVEN.first:
        if name in ("newfstatat", "fstatat64", "statx"):
            return "stat"
        found = _AT.match(name)
        name = found.group(1).removesuffix("at") if found else name
        return _plain(name)
    if arguments[0] != GIVEN.first:
        return None
    if name in ("recvfrom", "sendto"):
        return name if arguments[4:6] == [GIVEN.fifth, GIVEN.sixth] else name.removesuffix("from").removesuffix("to")
    if name in ("accept4", "dup3", "pipe2"):
        last = {"accept4": 3, "dup3": 2, "pipe2": 1}[name]
        return name if arguments[last] else {"accept4": "accept", "dup3": "dup2", "pipe2": "pipe"}[name]
    return _plain(name)


def _plain(name: str) -> str:
    return _SAME.get(name) or re.sub(r"(_time)?64$", "", name)


def _executed(one: Asked) -> str | None:
    """Which member of the exec family: by where its path and its arguments stand."""
    path, words = one.texts[0], one.texts[1:]
    searched = path.endswith(b"/Hello, World")
    if path != b"Hello, World" and not searched:
        return None
    if one.arguments[1] == GIVEN.second:
        return "execvp" if searched else "execve" if one.arguments[2] == GIVEN.third else "execv"
    if words[:1] == (b"lo",):
        return "execlp" if searched else "execl"
    return None


def _died(seen: Seen) -> str | None:
    if b"stack smashing" in seen.written:
        return "__stack_chk_fail"
    killed = any(one.name in ("tgkill", "tkill", "kill") and 6 in one.arguments for one in seen.answer.asked)
    return "abort" if killed and not seen.written else None


class Makers:
    """Functions told by a conversation of several calls: allocators, streams, processes, threads."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.ram = process.ram
        self.allocator = 0
        self.copies = False
        """The only function that is known to allocate gets a text, not a size."""

    def name(self, function: int, first: Seen) -> str | None:
        asked = {one.name for one in first.answer.asked}
        ended = first.answer.ended
        if ended == "limit" or asked & _PROCESS or (ended == "return" and asked <= _BESIDE and "B" in first.touched):
            found = self._command(function)
            if found:
                return found
        if ended == "limit" or ended.startswith("fault"):
            found = self._thread(function, ended) or self._spawn(function)
            if found:
                return found
        if ended == "return" and not asked:
            found = self._handler(function) or self._classes(function, first.answer.result)
            if found:
                return found
        return (self._opens(function) if "B" in first.touched else None) or self._allocates(function)

    def _text(self, index: int, text: bytes) -> int:
        place = BUFFERS + 0xA000 + 0x100 * index
        self.ram.write(place, text + b"\0")
        return place

    def _ask(self, function: int, arguments: list[int], limit: int = _LIMIT) -> Answer:
        return self.process.call(function, arguments, b"", limit)

    def _command(self, function: int) -> str | None:
        if not self._runs(function, b"r"):
            return None
        return "system" if self._runs(function, b"no mode") else "popen"

    def _runs(self, function: int, mode: bytes) -> bool:
        self.process.reset()
        answer = self._ask(function, [self._text(0, NASTY), self._text(1, mode)])
        return any(
            one.name == "execve" and len(one.texts) >= 4 and one.texts[-1] == NASTY and b"-c" in one.texts
            for one in answer.asked
        )

    def _thread(self, function: int, ended: str) -> str | None:
        if "no code" not in ended and ended != "limit":
            return None  # started on the first probe's arguments, a thread would run what is no code
        for name, arguments in (
            ("pthread_create", [BUFFERS + 0xB000, 0, CALLBACK, 4660]),
            ("thrd_create", [BUFFERS + 0xB000, CALLBACK, 4660]),
        ):
            self.process.reset()
            answer = self._ask(function, arguments)
            made = any(one.name == "clone" for one in answer.asked)
            if made and answer.ended == "callback" and answer.callback[1] == 4660:
                return name
        return None

    def _spawn(self, function: int) -> str | None:
        self.process.reset()
        path, vector = self._text(0, b"/probe/path"), BUFFERS + 0xB000
        word = self.process.image.word
        self.ram.store(vector, path, word)
        self.ram.store(vector + word, 0, word)
        answer = self._ask(function, [BUFFERS + 0xB100, path, 0, 0, vector, 0])
        for one in answer.asked:
            if one.name == "execve" and one.arguments[:2] == (path, vector):
                return "posix_spawn"
        return None

    def _handler(self, function: int) -> str | None:
        self.process.reset()
        answer = self._ask(function, [2, CALLBACK, 0], 4_000)
        word = self.process.image.word
        for one in answer.asked:
            if one.name in ("rt_sigaction", "sigaction") and one.arguments[0] == 2 and one.arguments[1]:
                try:
                    held = [self.ram.word(one.arguments[1] + index * word) for index in range(2)]
                except Fault:
                    continue
                if CALLBACK in held:
                    return "signal"
        return None

    def _classes(self, function: int, place: int) -> str | None:
        """Functions that give the place of a table for each character: its classes, its small or its capital letter."""
        try:
            rows = self.ram.word(place)
            entry = {size: [self.ram.load(rows + size * ord(one), size) for one in "57azAZ _"] for size in (2, 4)}
        except Fault:
            return None
        five, seven, small, last, capital, final, space, under = entry[4]
        if (five, seven, space, under) == (53, 55, 32, 95):
            if (small, last, capital, final) == (97, 122, 97, 122):
                return "__ctype_tolower_loc"
            return "__ctype_toupper_loc" if (small, last, capital, final) == (65, 90, 65, 90) else None
        five, seven, small, last, capital, final, space, under = entry[2]
        alike = five == seven and five & 0xFFFF and small & last and capital & final
        return "__ctype_b_loc" if alike and len({five, last, final, space, under}) == 5 else None

    def _opens(self, function: int) -> str | None:
        self.process.reset()
        path, mode = self._text(0, b"/probe/path"), self._text(1, b"r")
        answer = self._ask(function, [path, mode], 40_000)
        if answer.ended == "return" and self._made(answer.result):
            for one in answer.asked:
                if one.name in ("open", "openat") and path in one.arguments[:2]:
                    return "fopen"
        self.process.reset()
        mode = self._text(1, b"r")
        answer = self._ask(function, [5, mode], 40_000)
        controlled = any(one.name.startswith("fcntl") and one.arguments[0] == 5 for one in answer.asked)
        if answer.ended == "return" and self._made(answer.result) and controlled:
            return "fdopen"
        return None

    def _made(self, pointer: int) -> bool:
        """Memory that was not there before."""
        low, _high = self.process.heap, HEAP_SIZE
        return low <= pointer < low + HEAP_SIZE or MAPPINGS <= pointer < MAPPINGS + (1 << 26)

    def _allocates(self, function: int) -> str | None:
        self.process.reset()
        first = self._ask(function, [0, 100])
        if first.ended != "return" or not self._made(first.result):
            return self._frees(function)
        if self._ask(function, [0, 100]).result == first.result:
            return self._frees(function)  # the place of something that is there once, or no result at all
        self.ram.write(first.result, b"kept~here")
        again = self._ask(function, [first.result, 5000])
        if again.ended == "return" and self._made(again.result) and self.ram.read(again.result, 9) == b"kept~here":
            return "realloc"
        self.process.reset()
        one, two = self._ask(function, [24, 1000]), self._ask(function, [24, 1000])
        if one.ended != "return" or two.ended != "return" or not (self._made(one.result) and self._made(two.result)):
            return None
        apart = abs(two.result - one.result)
        if apart < 24 or 1000 <= apart < 24000:
            return None
        self.allocator, self.copies = function, False
        return "calloc" if apart >= 24000 else "malloc"

    def _frees(self, function: int) -> str | None:
        if not self.allocator:
            return None
        self.process.reset()
        wanted = [self._text(2, b"x" * 150) if self.copies else 200, 1]
        held = self._ask(self.allocator, wanted)
        given = self._ask(function, [held.result])
        again = self._ask(self.allocator, wanted)
        return "free" if given.ended == "return" and again.result == held.result and self._made(held.result) else None
