"""The text of a block that is compiled: registers and temporaries as variables, and what operations make of them."""

import struct
from typing import Any, Protocol

import pypcode

from . import operations
from .emulator import Machine
from .formulas import Term, formula, literal
from .liveness import Item, Liveness, Slot, Slots, Unfit, items
from .ram import PAGE

_O = pypcode.OpCode
_FORMS = {2: "H", 4: "I", 8: "Q"}
Pair = tuple[int, int, int, int]


class Recorder(Protocol):
    """Wants to know of numbers that are compared. `left` has how many are still wanted, `number` its index."""

    left: bytearray
    recorded: frozenset[pypcode.OpCode]

    def number(self, site: int) -> int: ...

    def some(self, pairs: tuple[Pair, ...]) -> None:
        """Take as many pairs of an instruction as are wanted."""


class BlockText:
    """Lines of the function of one block."""

    def __init__(self, machine: Machine, recorder: Recorder, ops: list[pypcode.PcodeOp], pc: int) -> None:
        self.machine, self.recorder = machine, recorder
        self.items, self.end = items(ops, pc, recorder.recorded)
        self.big = machine.image.big
        self.slots = Slots(self.items)
        self.live = Liveness(self.items, self.slots, machine.lifter.zero)
        self.lines: list[str] = []
        self.depth = 1
        self.known: dict[Slot, Term] = {}
        """What a variable may hold: its bits, or its number."""
        self.pending: list[tuple[str, set[str]]] = []
        """Comparisons of one instruction that are not yet told, and the variables that they need."""
        self.pending_site = 0
        self.is_straight = all(one.target is None for one in self.items)
        self.changed: dict[Slot, None] = {}
        self.names: dict[str, Any] = {}
        self.mode = int(machine.thumb)
        self.loads = 0

    # -- text
    def _line(self, text: str) -> None:
        self.lines.append("\t" * self.depth + text)

    def _name(self, what: object) -> str:
        """A name for an object in the text."""
        name = f"g{len(self.names)}"
        self.names[name] = what
        return name

    # -- registers
    def _begin(self) -> None:
        if any(one.op.opcode in (_O.LOAD, _O.STORE) for one in self.items):
            self._line("W = R.written; X = R.fixed")
        for slot in self.slots.all:
            if slot.bits & self.live.before[0]:
                self._line(f"{slot.name} = {self._stored(slot) if slot.is_register else 0}")

    def _stored(self, slot: Slot) -> str:
        """A register as it lies in the machine."""
        if slot.size == 1:
            return f"F[{slot.start}]"
        if slot.size not in _FORMS:
            return f"from_bytes(F[{slot.start}:{slot.start + slot.size}], ORDER)"
        if not self.big and slot.start % slot.size == 0:
            return f"F{slot.size}[{slot.start // slot.size}]"
        return f"U{slot.size}(F, {slot.start})[0]"

    def _flush(self) -> None:
        """Write registers back."""
        for slot in self.changed:
            if slot.size == 1:
                self._line(f"F[{slot.start}] = {slot.name}")
            elif slot.size not in _FORMS:
                self._line(f"F[{slot.start}:{slot.start + slot.size}] = {slot.name}.to_bytes({slot.size}, ORDER)")
            elif not self.big and slot.start % slot.size == 0:
                self._line(f"F{slot.size}[{slot.start // slot.size}] = {slot.name}")
            else:
                self._line(f"P{slot.size}(F, {slot.start}, {slot.name})")

    def _read(self, node: pypcode.Varnode) -> Term:
        """An operand."""
        if node.space.name == "const":
            return literal(node.offset & ((1 << (8 * node.size)) - 1))
        slot = self.slots.get(node)
        if slot is None:
            self._line(f"m{self.loads} = LOAD({node.offset}, {node.size})")
            self.loads += 1
            return Term(f"m{self.loads - 1}", 8 * node.size)
        known = self.known.get(slot)
        shift, bits = slot.shift(node, self.big), 8 * slot.size if known is None else known.bits
        if known is not None and known.number is not None:
            return literal(known.number >> shift & ((1 << (8 * node.size)) - 1))
        if bits <= shift:
            return literal(0)
        text = f"{slot.name} >> {shift}" if shift else slot.name
        if bits - shift > 8 * node.size:
            return Term(f"({text} & {(1 << (8 * node.size)) - 1})", 8 * node.size)
        return Term(f"({text})" if shift else text, bits - shift)

    def _write(self, node: pypcode.Varnode, term: Term, behind: int) -> None:
        """A result."""
        slot = self.slots.get(node)
        if slot is None:
            self._line(f"STORE({node.offset}, {term.text}, {node.size})")
            return
        self._tell_before(slot.name)
        made = self._placed(slot, node, term, behind)
        if made.text != slot.name and not (made.number is not None and self.is_straight and not slot.is_register):
            self._line(f"{slot.name} = {made.text}")
        self.known[slot] = made
        if slot.is_register:
            self.changed[slot] = None

    def _placed(self, slot: Slot, node: pypcode.Varnode, term: Term, behind: int) -> Term:
        """What a variable holds once a result is in it."""
        shift = slot.shift(node, self.big)
        if not behind & slot.bits & ~slot.part(node):
            if term.number is not None:
                return literal(term.number << shift)
            return Term(f"({term.text}) << {shift}", term.bits + shift) if shift else term
        was = self.known.get(slot, Term("", 8 * slot.size))
        rest = ((1 << (8 * slot.size)) - 1) & ~(((1 << (8 * node.size)) - 1) << shift)
        if was.number is not None and term.number is not None:
            return literal(was.number & rest | term.number << shift)
        text = f"({term.text}) << {shift}" if shift else f"({term.text})"
        kept = f"{slot.name} & {rest}" if was.number is None else str(was.number & rest)
        return Term(f"{kept} | {text}", max(term.bits + shift, was.bits))

    # -- operations
    def _value(self, item: Item, index: int) -> None:
        op, out, behind = item.op, self.live.output(item.op), self.live.after[index]
        is_dead = out is None or (self.slots.get(out) is not None and not behind & self.slots.part(out))
        if op.opcode == _O.LOAD:
            assert op.output is not None
            term = self._load(self._read(op.inputs[1]), op.output.size)
        else:
            terms = [self._read(one) for one in op.inputs]
            if item.record:
                self._record(item, terms)
            made = formula(op, terms)
            term = made or self._called(op, terms)
            if made is not None and is_dead:
                return
        if is_dead or out is None:
            self._line(term.text)
        else:
            self._write(out, term, behind)

    def _called(self, op: pypcode.PcodeOp, terms: list[Term]) -> Term:
        """An operation that has no formula."""
        assert op.output is not None
        sizes = (op.inputs[0].size, op.inputs[1].size if len(op.inputs) > 1 else 0, op.output.size)
        maker: Any = operations.UNARY.get(op.opcode) or operations.BINARY.get(op.opcode)
        if maker is None:
            raise Unfit
        used = terms[:1] if op.opcode in operations.UNARY else terms[:2]
        limit = (1 << (8 * op.output.size)) - 1
        return Term(f"{self._name(maker(*sizes))}({', '.join(one.text for one in used)}) & {limit}", 8 * op.output.size)

    def _record(self, item: Item, terms: list[Term]) -> None:
        if self.pending_site != item.site:
            self._tell()
        self.pending_site = item.site
        used = {slot.name for slot in map(self.slots.get, item.op.inputs) if slot is not None}
        self.pending.append((f"({item.site}, {terms[0].text}, {terms[1].text}, {item.op.inputs[0].size})", used))

    def _tell_before(self, name: str) -> None:
        """Tell of comparisons before a variable changes that they need."""
        if any(name in used for _, used in self.pending):
            self._tell()

    def _tell(self) -> None:
        pairs, self.pending = [one for one, _ in self.pending], []
        if not pairs:
            return
        left, count = f"L[{self.recorder.number(self.pending_site)}]", len(pairs)
        self._line(f"if {left}:" if count == 1 else f"if {left} >= {count}:")
        different = dict.fromkeys(pairs)
        stored = "; ".join(f"M.pairs[{one}] = None" for one in different)
        self._line(f"\t{left} -= {count}; {stored}")
        if count > 1:
            self._line(f"elif {left}: SOME(({', '.join(pairs)}))")

    def _load(self, pointer: Term, size: int) -> Term:
        if size != 1 and size not in _FORMS:
            return Term(f"LOAD({pointer.text}, {size})", 8 * size)
        self._line(f"a = {pointer.text}; p = W.get(a >> 12) or X.get(a >> 12)")
        if size == 1:
            return Term(f"p[a & {PAGE - 1}] if p is not None else LOAD(a, 1)", 8)
        inside = f"p is not None and (o := a & {PAGE - 1}) <= {PAGE - size}"
        return Term(f"U{size}(p, o)[0] if {inside} else LOAD(a, {size})", 8 * size)

    def _store(self, pointer: Term, value: Term, size: int) -> None:
        if size != 1 and size not in _FORMS:
            self._line(f"STORE({pointer.text}, {value.text}, {size})")
            return
        self._line(f"a = {pointer.text}; p = W.get(a >> 12)")
        if size == 1:
            self._line(f"if p is not None: p[a & {PAGE - 1}] = {value.text}")
        else:
            self._line(f"if p is not None and (o := a & {PAGE - 1}) <= {PAGE - size}: P{size}(p, o, {value.text})")
        self._line(f"else: STORE(a, {value.text}, {size})")


def either(one: Term, other: Term) -> Term:
    return one if one.number == other.number is not None else Term("", max(one.bits, other.bits))


def names(machine: Machine, recorder: Recorder) -> dict[str, Any]:
    """What the text may name."""
    found: dict[str, Any] = {
        "M": machine, "F": machine.file, "R": machine.ram, "LOAD": machine.ram.load, "STORE": machine.ram.store,
        "L": recorder.left, "SOME": recorder.some, "ORDER": machine.byteorder, "from_bytes": int.from_bytes,
        "__builtins__": {},
    }  # fmt: skip
    whole = memoryview(machine.file)[: len(machine.file) & ~7]
    for size, form in _FORMS.items():
        packed = struct.Struct(machine.order + form)
        found |= {f"U{size}": packed.unpack_from, f"P{size}": packed.pack_into, f"F{size}": whole.cast(form)}  # type: ignore[call-overload]
    return found
