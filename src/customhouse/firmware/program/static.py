"""The C library that a static program brings along: which of its functions are what.

The linker puts the program's own code first and the archives' behind it, so the function that the start-up code calls
to run `main` marks where the library begins. A function from there on is named when the program's code calls it: by its
symbol where the program has symbols, else by what it does. What stays without a name is no code to read on in, only a
call whose effect is unknown, and is said.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from .behaviour import FIRST, Behaviour, Seen
from .code import Code
from .elf import Image
from .lift import STORE
from .process import Process
from .tables import NORETURN, table
from .wrappers import Makers, by_calls

UNNAMED = "unnamed"
_STARTERS = ("__libc_start_main", "__libc_start_main_impl", "__uClibc_main")
_NEXT_CALL = 8
_BUDGET = 90_000
_MAX_LEAF = 40
_MAX_OWN = 3000
_MODELS = frozenset(table("libc.toml")["models"]) | {
    *table("libc.toml")["noreturn"],
    *table("libc.toml")["names"]["numeric"],
}


class Library:
    """Names for the functions of a static program. `problem` says why nothing can be said of it at all."""

    def __init__(self, image: Image, code: Code, seconds: float) -> None:
        self.image, self.code = image, code
        self.arm = image.architecture == "arm"
        self.seconds = seconds
        self.spent = 0.0
        self.known: dict[int, str | None] = {}
        self.unnamed: set[int] = set()
        self.problem = ""
        self.border = 1 << 62
        self.main = 0
        self.cut = False
        self.process = Process(image, code.lifter)
        self.behaviour = Behaviour(self.process)
        self.makers = Makers(self.process)
        self._stubs: dict[int, bool] = {}
        self._walking = False
        self._within = False
        """A function of the library is being followed: its jumps are its own."""

    # -- starting
    def open(self) -> None:
        """Find `main` and where the library begins, then name what the program calls."""
        if not self._from_symbols():
            self._from_start()
        if self.problem:
            return
        try:
            self._walking = True
            self._settle_entry()
            targets = self._walk()
        finally:
            self._walking = False
        if not targets:
            self.problem = "static program: no call of its C library was found"
            return
        self._name_all(targets)
        self._forget_exits()

    def _from_symbols(self) -> bool:
        symbols = self.image.symbols
        starter = next((symbols[one] for one in _STARTERS if one in symbols), None)
        if "main" not in symbols or starter is None:
            return False
        self.main = symbols["main"]
        self.border = starter & ~1 if self.arm else starter
        for name, address in sorted(
            symbols.items(), key=lambda item: (item[0] not in _MODELS, item[0].startswith("_"))
        ):
            if self.beyond(address):
                self.known.setdefault(address, name)
                self.image.import_address.setdefault(name, address)
        self.known[starter] = "__libc_start_main"
        return True

    def _from_start(self) -> None:
        with self._timed():
            self.process.boot()
        if not self.process.main:
            self.problem = "static program: its start could not be followed to main"
            return
        self.main = self.process.main
        self.border = self.process.start & ~1 if self.arm else self.process.start
        self.known[self.process.start] = "__libc_start_main"

    def _settle_entry(self) -> None:
        """The call right behind the one that runs `main` is the way out when that comes back."""
        calls = self.code.function(self.image.entry).calls
        begun = [site for site, target in calls if target in self.known]
        for site, target in calls:
            if target not in self.known and any(0 < site - one <= _NEXT_CALL for one in begun):
                self.known[target] = "abort"
        self.code.functions.pop(self.image.entry, None)

    def _walk(self) -> list[int]:
        """Functions of the library that the program's own code calls or jumps to, as far as direct calls lead."""
        pending, seen = [self.main], {self.main}
        found: list[int] = []
        while pending and not self._late():
            function = self.code.function(pending.pop())
            for target in [one for _, one in function.calls] + list(function.tails.values()):
                if target in seen:
                    continue
                seen.add(target)
                if self._is_library(target):
                    found.append(target)
                elif len(seen) < _MAX_OWN:
                    pending.append(target)
        return found

    def _name_all(self, targets: list[int]) -> None:
        """The cheapest questions first: a cut then costs little of what matters."""
        firsts: dict[int, Seen] = {}
        for target in targets:
            first = self._first(target) if target not in self.known and not self._late() else None
            found = by_calls(first, self.process.ram.mask) if first is not None and first.answer.asked else None
            if found:
                self._keep(target, found)
            elif first is not None:
                firsts[target] = first
        for target in sorted(firsts, key=lambda one: _effort(firsts[one])):
            self.name(target)
        self._again()

    def _again(self) -> None:
        """What works on streams can be told once a function that makes one is known, what frees once one allocates."""
        for address in sorted(self.unnamed):
            if self._late():
                return
            self._keep(address, self._ask(address) or UNNAMED)

    def _forget_exits(self) -> None:
        """Functions that were followed past a call that does not return are followed again."""
        for address, function in list(self.code.functions.items()):
            if any(self.known.get(target) in NORETURN for _, target in function.calls):
                del self.code.functions[address]

    def _late(self) -> bool:
        """Only the time of naming counts: a function may be met late."""
        if self.spent > self.seconds:
            self.cut = True
        return self.cut

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.process_time()
        try:
            yield
        finally:
            self.spent += time.process_time() - began

    # -- names
    def _is_library(self, target: int) -> bool:
        return self.beyond(target) or self._stub(target)

    def beyond(self, target: int) -> bool:
        """Whether an address is the library's."""
        plain = target & ~1 if self.arm else target
        return plain >= self.border

    def name(self, target: int) -> str | None:
        """The function's name, `UNNAMED`, or None for the program's own code and for what is as simple as that."""
        if target in self.known:
            return self.known[target]
        if self.problem or self._within or not self._is_library(target):
            return None
        if self._walking:
            return UNNAMED
        plain = target & ~1 if self.arm else target
        self.known[target] = UNNAMED  # while it is being asked about, and when asking is cut
        told = self.image.names.get(plain) and not self._stub(target)
        self._keep(target, UNNAMED if told else self._ask(target))
        return self.known[target]

    def _keep(self, target: int, found: str | None) -> None:
        self.known[target] = found
        if found == UNNAMED:
            self.unnamed.add(target)
            return
        self.unnamed.discard(target)
        if found is not None:
            self.image.import_address.setdefault(found, target)

    def _stub(self, target: int) -> bool:
        """A stub through a cell that the start-up code fills with the variant for this processor."""
        found = self._stubs.get(target)
        if found is None:
            thumb = self.arm and bool(target & 1)
            address = target & ~1 if self.arm else target
            block = self.code.lifter.block(address, thumb, address + 20)[0] if self.image.executable(address) else None
            found = self._stubs[target] = (
                block is not None and block.exit.kind == "ijump" and not any(op[0] == STORE for op in block.ops)
            )
        return found

    def _first(self, target: int) -> Seen | None:
        with self._timed():
            if not self.process.started:
                self.process.boot()
            return self.behaviour.ask(target, FIRST)

    def _ask(self, target: int) -> str | None:
        if self._late():
            return UNNAMED
        with self._timed():
            if not self.process.started:
                self.process.boot()  # the program has symbols, but what its stubs lead to is known at run time
            first = self.behaviour.ask(target, FIRST)
            found = self._tell(target, first) if first is not None else UNNAMED
        if found == "fopen" or (found in ("popen", "fdopen") and not self.behaviour.opener):
            self.behaviour.opener = target
        if found == "strdup" and not self.makers.allocator:
            self.makers.allocator, self.makers.copies = target, True
        if found or first is None:
            return found
        return None if self._simple(target, first.answer.ended, bool(first.answer.asked)) else UNNAMED

    def _tell(self, target: int, first: Seen) -> str | None:
        found = by_calls(first, self.process.ram.mask) if first.answer.asked else None
        return found or self.behaviour.name(target, first, _BUDGET) or self.makers.name(target, first)

    def _simple(self, target: int, ended: str, asked: bool) -> bool:
        """A small function that calls nothing is read like the program's own, if all its instructions are known."""
        if asked or "operation" in ended or self._stub(target):
            return False
        self._within = True
        try:
            function = self.code.function(target)
        finally:
            self._within = False
        return not function.calls and not function.tails and not function.cut and len(function.blocks) <= _MAX_LEAF

    def _needed(self) -> list[int]:
        """Functions without a name that the program's own code calls; some were met only behind a call of exit."""
        called: set[int] = set()
        for address, function in self.code.functions.items():
            if not self.beyond(address):
                called.update(target for _, target in function.calls)
                called.update(function.tails.values())
        return sorted(self.unnamed & called)

    def why(self) -> str:
        """What could not be named, for the facts; empty when everything was."""
        if self.problem:
            return self.problem
        unnamed = self._needed()
        if not unnamed:
            return "static program: there was no time to name all that it calls" if self.cut else ""
        places = ", ".join(f"{one:#x}" for one in unnamed[:6])
        more = f" and {len(unnamed) - 6} more" if len(unnamed) > 6 else ""
        return f"static program: functions of its C library are not named: {places}{more}"


def _effort(first: Seen) -> int:
    """Order of questions: what makes processes and streams, then what ends by itself, then the rest."""
    if first.answer.asked:
        return 0
    return 1 if first.answer.ended == "return" else 2
