"""One function while it is evaluated: its registers by convention, its memory, and what is noted of it on the way.

This is what models of the library act on (`library.Caller`), and what summaries are read in at a call.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import arguments, bounds, guards, indices, reach, untold
from .application import Application
from .conditions import Conditions
from .held import Putting
from .measured import Measured
from .memory import Memory
from .narrowing import Narrowing
from .recovery import Function
from .rows import Rows
from .state import Content, Fact, Places, State, comparisons
from .summary import ENDLESS, Event, Verdicts
from .terms import ADDR, LOAD, STACK, Location, Terms
from .verdicts import Judging

if TYPE_CHECKING:
    from .appends import Appends
    from .traces import Made
    from .whole import Whole

MAX_TARGETS = 24
_READ_LATER = frozenset(("sink", "feed", "start", "out", "put"))
"""Events with texts that are looked up in the memory of the whole program, where the state does not tell them."""
_NO_FACTS: frozenset[Fact] = frozenset()
_UNTESTED = (_NO_FACTS, _NO_FACTS)


class Activation:
    """The function, the program around it, and the place in it that is being looked at."""

    def __init__(self, whole: "Whole", function: Function) -> None:
        self.whole = whole
        self.function = function
        self.terms: Terms = whole.terms
        self.image = whole.image
        self.conditions = Conditions(whole.terms, whole.sets, self.constant_text, self._constant_bytes)
        self.ends = self.conditions.ends
        self.narrowing = Narrowing(whole.terms, self.conditions)
        self.rows = Rows(whole.terms, whole.image, self._kept, whole.store.table_end)
        self.memory = Memory(whole.terms, whole.image, function.address, self.note, whole.sets)
        self.memory.entries = self.rows.entries
        convention = whole.lifter.convention
        registers = whole.lifter.registers
        self.memory.stack_arguments = convention.stack_arguments
        self.memory.register_arguments = len(convention.arguments)
        self.memory.shadow = convention.shadow
        self.memory.number_deps = whole.number_deps
        self.memory.buffers = whole.buffers
        self.memory.objects = whole.objects
        self.memory.saved = whole.saved
        self.memory.keys.fields = whole.key_fields
        self.memory.keys.text = self.constant_text
        self.argument_registers = [registers[name] for name in convention.arguments]
        self.result_register = registers[convention.result]
        self.stack_register = registers[convention.stack]
        self.gp = registers["gp"] if whole.image.architecture == "mips" else -1
        self.link = convention.link
        self.preserved = frozenset(registers[name] for name in convention.preserved if name in registers)
        self.here = guards.Noted()
        """What the block at hand does that outlives the function, with the comparisons that held each time."""
        self.made: list[Made] = []
        """The calls of the block at hand."""
        self.later: list[Application] | None = None
        """Calls whose events are noted when the function is done, since the block at hand may be looked at again."""
        self.site = 0
        self.round = 0
        """How far the block at hand is from the one that it was written out of; see `unrolled`."""
        self.feeds = whole.feeds
        self.looping = False
        """Whether the block at hand lies in a loop."""
        self.measured = Measured(whole.terms)
        self.verdicts: dict[Event, Verdicts] = {}
        """What the block at hand stores into words of memory, with what that says of the texts beside them."""
        self.judging = Judging(whole.terms, self.conditions)
        self.given: Verdicts | None = None
        """What a callee's store of a word says, while it is done for its caller."""
        self._proven: tuple[frozenset[Fact], frozenset[Fact]] = (frozenset(), frozenset())
        """Facts, and those of them that prove something of a text."""
        self.now = State()
        """The state that the block at hand works on."""
        self.entry: frozenset[Fact] = frozenset()
        """Of which entry of a table it is that a text is written to, by what was asked for; see `Rows.asked`."""
        """Places that were written, and parts of texts there, with the comparisons of parameters that held each time.
        """
        self.looks: untold.Looks = untold.NOTHING
        """Where functions that are called read texts."""
        self.appends: Appends | None = None
        """The loops that put pieces behind one another."""
        self.printing: Callable[[State, int, Content], Callable[[], None] | None] = lambda *_: None
        """A text is about to be printed where a pointer points; what is given is to be called when it was."""
        self.stored: dict[Location, dict[Content, tuple[frozenset[Fact], frozenset[Fact]]]] = {}
        """Texts that were set aside, by their places: the comparisons that held each time, and all that ever held."""
        self.under: frozenset[Fact] = frozenset()
        """Comparisons that hold for what a call at hand writes."""
        self.putting = Putting(whole.terms)

    @property
    def site(self) -> int:
        """The instruction that is being looked at."""
        return self.memory.site

    @site.setter
    def site(self, address: int) -> None:
        self.memory.site = address

    def _kept(self, place: int, step: int, size: int) -> bool:
        if size in (1, self.terms.word):
            self.whole.columns.add((place, step, size))
        if not self.whole.references and any(self.image.bytes_at(place, step)):
            self.whole.early.add(self.function.address)
        return self.whole.store.kept(place, step, size)

    # -- registers and arguments
    def value(self, state: State, operand: int) -> int:
        if operand < 0:
            return self.terms.const(~operand)
        found = state.registers.get(operand)
        if found is None:
            if operand == self.gp and self.image.gp is not None:
                return self.terms.const(self.image.gp)
            found = self.terms.unknown(("register", self.function.address, operand))
        return found

    def argument(self, state: State, index: int) -> int:
        if index < len(self.argument_registers):
            register = self.argument_registers[index]
            found = state.registers.get(register)
            return found if found is not None else self.terms.unknown(("argument", index))
        offset = self.memory.stack_arguments + (index - len(self.argument_registers)) * self.terms.word
        stack = state.registers.get(self.stack_register, self.memory.frame)
        return self.memory.load(state, self.terms.add(stack, offset), self.terms.word)

    def variable_arguments(self, state: State, first: int, count: int) -> tuple[int, ...]:
        return tuple(self.argument(state, first + index) for index in range(count))

    def list_arguments(self, state: State, pointer: int, count: int) -> tuple[int, ...]:
        """What a va_list yields."""
        return arguments.listed(self.memory, state, self.image.architecture, pointer, count)

    # -- what a call does
    def sink(self, state: State, name: str, content: Content, extra: str = "") -> None:
        if content.deps:
            told = self.whole.read_places.beside(content, state.facts)
            self.note(("sink", name, self.site, told, state.facts, ((self.function.address, self.site),), extra))

    def feed(self, state: State, name: str, descriptor: int, content: Content) -> None:
        """A text is written where a shell may read it."""
        if content.deps:
            told = self.whole.read_places.beside(content, state.facts)
            step = ((self.function.address, self.site),)
            self.note(("feed", name, self.site, told, state.facts, step, descriptor))

    def shell(self, state: State, name: str, program: tuple[int, int, int]) -> None:
        """A program is started that may be a shell which runs its standard input."""
        self.note(("shell", *program, name, self.site, state.facts, ((self.function.address, self.site),)))

    def start(self, state: State, name: str, path: int, vector: int) -> None:
        """A program is started with arguments that are not all known here."""
        step = ((self.function.address, self.site),)
        self.note(("start", name, self.site, path, vector, state.facts, step))

    def overrun(
        self,
        state: State,
        name: str,
        target: int,
        content: Content | None,
        size: int | None,
        sources: tuple[tuple[int, int | None], ...] = (),
        literal: int = 0,
        again: int = 1,
    ) -> None:
        """A copy that may be longer than its target; `size` is the length argument, None when the texts at `sources`
        (each with a bound when one is known) and `literal` bytes between them say how much is written, `again` times
        (see `appends`).
        """
        if content is None or not content.deps:
            return
        low = moving = None
        loose = indices.untested(self.terms, state, target)
        if size is not None:
            alone = size
            target, size, moving = self.whole_copy(state, target, size)
            loose |= indices.bounded(self.terms, state, alone, size, self.limit(state, alone))
            low = bounds.least(self.terms, state, size)
            again = self.endless(moving, content)
        elif again == 1:
            start, _, on = self.whole_copy(state, target, self.terms.zero)
            if on is not None and self.appends is not None and (repeated := self.appends.repeated(on, content)) > 1:
                target, again = start, repeated
        limit = self.limit(state, size) if size is not None else None
        told = []
        for source, known in sources:
            tested = self.string_limit(state, source)
            told.append((source, tested if known is None else known if tested is None else min(known, tested)))
        self.note(
            (
                "over",
                name,
                self.site,
                target,
                limit,
                content,
                -1 if size is None else size,
                state.facts | bounds.given(self.terms, state.ranges) | loose,
                ((self.function.address, self.site),),
                tuple(told),
                literal,
                moving,
                low,
                self.separate(state, frozenset(one for one, _ in sources)),
                again,
            )
        )

    def whole_copy(self, state: State, target: int, size: int, limit: int | None = None) -> reach.Reach:
        """A copy by the object's start and the bytes from there on; see `reach`."""
        at = self.function.address
        found = reach.of(self.terms, self.conditions, state, target, size, limit, at) or reach.Reach(target, size)
        pieces = self.appends.rounds_of(found.moving) if self.appends and found.moving is not None else None
        one = self.limit(state, size)
        return found if pieces is None or one is None else found._replace(size=self.terms.const(pieces * one))

    def again(self, state: State, target: int, content: Content, site: int | None = None) -> int:
        """How often loops go on with the text at `target` as the instruction does; see `appends`."""
        return self.appends.again(state, target, content, self.site if site is None else site) if self.appends else 1

    def before(self, text: Content, source: int) -> tuple[int, ...]:
        """The texts that were put at the end of a text before the instruction puts `source` there; see `appends`."""
        return self.appends.before(text, self.site, source) if self.appends else ()

    def endless(self, moving: int | None, content: Content) -> int:
        """The same of a copy to a place that moves on."""
        return ENDLESS if self.appends and moving is not None and self.appends.endless(moving, content) else 1

    # -- how much a call moves
    def limit(self, state: State, size: int) -> int | None:
        """An upper bound of a length here, None when nothing bounds it but the width of a word."""
        found = min(bounds.most(self.terms, size, state.ranges), bounds.part(self.terms, size, state.ranges))
        if self.terms.rank(size) != 1 or found >= bounds.HUGE:
            found = min(found, self.measured.inside(state, size))
        return found if 0 <= found < bounds.HUGE else None

    def string_limit(self, state: State, source: int) -> int | None:
        """A tested length: bytes of the text at `source` with its end, when `strlen(source)` has a bound here."""
        return self.measured.limits(state).get(source)

    def separate(self, state: State, sources: frozenset[int]) -> bool:
        """Whether no test was of the lengths of several texts together."""
        return self.measured.separate(state, sources)

    def range_of(self, state: State, term: int) -> tuple[int, int] | None:
        """What is known of a number's size: constants, tests in force, widths of loads."""
        value = self.terms.value(term)
        if value is not None:
            signed = self.terms.signed(value)
            return (signed, signed)
        known = state.ranges.get(term)
        node = self.terms.nodes[term]
        if known is not None and known[1] < 1 << 62:
            return known
        if node[0] == LOAD and node[4] <= 2:
            return (0, (1 << (8 * node[4])) - 1)
        if node[0] == ADDR:
            inner = self.range_of(state, node[1]) if not node[3] else None
            return None if inner is None else (inner[0] + node[2], inner[1] + node[2])
        return None

    @property
    def spot(self) -> int:
        """The site at which an object is made: in blocks that were written out, each makes its own."""
        return self.site + self.round

    # -- events and callbacks
    def note(self, event: Event) -> None:
        if self.now.untold and event[0] in _READ_LATER:
            self.reveal(self.now, untold.looked(self.terms, (event,)))
        told = event[1] if event[0] in ("private", "untold") else event
        kind = told[0]
        if self._proven[0] is not self.now.facts:
            self._proven = (self.now.facts, comparisons(self.now.facts))
        proof = self._proven[1]
        held = proof | self.under
        self.here[event] = self.here.get(event, held) & held
        if event[0] == "untold":
            stored = self.stored.setdefault(told[1:4], {})
            before = stored.get(told[4], (held, proof))
            stored[told[4]] = (before[0] & held, before[1] | proof)
        if kind in ("text", "word"):
            found = guards.found(self.terms, self.now, held) | (self.entry if kind == "text" else frozenset())
            self.here.guard(told[1:4], found)
            for dep in told[4].deps if kind == "text" else ():
                self.here.guard((*told[1:4], *dep[:4]), found)
        if kind == "word":
            new = told[5] if self.memory.storing is None else self.memory.storing
            self.putting.put(self.now, told[1:4], new)
            self.verdicts[told] = self.verdicts.get(told, frozenset()) | self._judged(told)
        if kind in ("text", "out", "put") and proof:
            self.whole.prove(told[4] if kind == "text" else told if kind == "out" else told[3], proof)

    def _judged(self, event: Event) -> Verdicts:
        """What the store of a word says of the texts beside it."""
        place: Location = event[1:4]
        if self.given is None:
            new = self.memory.storing
            return self.judging.of(self.now, place, event[5] if new is None else new)
        here = self.judging.lacking(self.now.facts, place) | self.judging.beside(self.now, place)
        facts = self.now.facts
        return frozenset((one, lacking | here | self.judging.pointed(facts, one)) for one, lacking in self.given)

    def reveal(self, state: State, looks: untold.Looks = None) -> None:
        """Others may read what lies at these places: texts that were set aside are told."""
        for place in untold.seen(self.terms, state, looks):
            self.tell(state, place)

    def tell(self, state: State, place: Location) -> None:
        """A text that was set aside is told as checks left it, with what held where it was stored."""
        state.untold -= {place}
        if place not in state.texts:
            return
        state.texts[place] = self.memory.held(state, place)
        stored = self.stored.get(place, {})
        for content, before in untold.told(place, state.texts[place], stored):
            held, proof = stored[before] if before is not None else _UNTESTED
            event = ("told", ("text", *place, content))
            self.here[event] = self.here.get(event, held) & held
            if proof:
                self.whole.prove(content, proof)

    def refuted(self, facts: frozenset[Fact]) -> bool:
        """Whether facts of a callee's parameters cannot be so here."""
        return guards.refuted(self.terms, self.constant_text, facts)

    def callback(self, state: State, function: int, arguments: tuple[int, ...]) -> None:
        """A function that the library will call: with what memory may hold by then, not with what it holds now."""
        site = self.site
        self.memory.share(state, arguments)
        self.reveal(state)
        self.looks = None
        for target in self.targets(function, arguments):
            self.whole.handed.setdefault((self.function.address, site), {})[target] = None
            summary = self.whole.summary(target)
            if summary is not None:
                later = self._later(state)
                application = Application(self, later, summary, site)
                application.arguments = dict(enumerate(arguments))
                application.apply()
                self.reveal(later)
            self.site = site

    def targets(self, function: int, arguments: tuple[int, ...]) -> list[int]:
        """The program's own functions that a callback may be."""
        out: list[int] = []
        for one in self.terms.flat(function):
            target = self.terms.value(one)
            if target is None:
                self.note(("icall", self.site, one, arguments, self.function.address))
                out += self.whole.resolved.get((self.function.address, self.site), ())
            else:
                out.append(target)
        return [one for one in dict.fromkeys(out) if self._is_own(one)][:MAX_TARGETS]

    def _is_own(self, target: int) -> bool:
        if target < self.terms.floor or self.whole.code.name(target) is not None:
            return False
        return bool(self.image.executable(target & ~1 if self.whole.arm else target))

    def _later(self, state: State) -> State:
        """What is still known when a thread, a timer or a handler runs: frames, and what was compared."""
        out = state.copy()
        nodes = self.terms.nodes
        out.words = Places((key, value) for key, value in state.words.items() if nodes[key[0]][0] == STACK)
        out.texts = Places((key, value) for key, value in state.texts.items() if nodes[key[0]][0] == STACK)
        return out

    # -- constants, for conditions
    def constant_text(self, term: int) -> str | None:
        texts = set()
        for one in self.terms.flat(term):
            value = self.terms.value(one)
            if value is None or value < self.terms.floor:
                return None
            text = self.image.text(value) if self.image.constant(value) else None
            if text is None:
                return None
            texts.add(text)
        return texts.pop() if len(texts) == 1 else None

    def _constant_bytes(self, term: int, size: int) -> bytes | None:
        value = self.terms.value(term)
        if value is None or value < self.terms.floor or not self.image.constant(value):
            return None
        return self.image.bytes_at(value, size) or None
