"""Which port a program binds, and how sure that is."""

from typing import Any

from .terms import BYTE, CONST, LOAD, OP, PHI, RESULT
from .whole import Whole

_DATAGRAMS = frozenset(("recvfrom", "recvmsg", "recvmmsg"))


class Ports:
    """Ports of all bind calls, by the socket that they bind."""

    def __init__(self, whole: Whole) -> None:
        self.whole = whole
        self.terms = whole.terms
        self.store = whole.store
        self.bound: list[tuple[int, str, str, frozenset[int]]] = []
        events = list(whole.events) + [event for events in whole.residual.values() for event in events]
        for event in events:
            if event[0] == "bind":
                self._bind(event)
            elif event[0] == "service":
                self._service(event)

    def _bind(self, event: tuple[Any, ...]) -> None:
        _, _site, port, descriptor, family = event
        values, exact = self.values(port)
        protocol, sockets = self._socket(descriptor)
        kind = self.terms.value(family)
        if kind is not None and kind in (1, 16, 17):
            return
        for value in values:
            if 0 < value < 65536:
                self.bound.append((value, protocol, "exact" if exact and len(values) == 1 else "default", sockets))

    def _service(self, event: tuple[Any, ...]) -> None:
        content = event[3]
        text = content.template if not content.deps else ""
        if text.isdigit() and 0 < int(text) < 65536 and "bind" in self.whole.image.import_address:
            kind = self.terms.value(event[4])
            self.bound.append((int(text), self._protocol(kind) if kind is not None else "", "exact", frozenset()))

    def values(self, term: int, swapped: bool = False, level: int = 0) -> tuple[set[int], bool]:
        """Constants that a port in network order can be, and whether it can be nothing else."""
        out: set[int] = set()
        exact = True
        for one in self.terms.flat(term):
            node = self.terms.nodes[one]
            if node[0] == CONST:
                out.add(self._host(node[1], swapped))
            elif node[0] == RESULT and str(node[2]).startswith("swap") and level < 4:
                inner, sure = self.values(node[3][0], not swapped, level + 1)
                out |= inner
                exact = exact and sure
            else:
                from_op = self._swapped_by_hand(one)
                if from_op is not None and level < 4:
                    inner, sure = self.values(from_op, not swapped, level + 1)
                    out |= inner
                    exact = exact and sure
                    continue
                constants = {value for value in self.store.constants(one) if 0 < value < 65536}
                out |= {self._host(value, swapped) for value in constants}
                exact = exact and bool(constants) and all(root == 0 for root, _, _ in self.store.points(one))
        return out, exact

    def _host(self, value: int, swapped: bool) -> int:
        value &= 0xFFFF
        if self.whole.image.big or swapped:
            return value
        return (value & 255) << 8 | value >> 8

    def _swapped_by_hand(self, term: int) -> int | None:
        """`(x << 8 | x >> 8)`: the compiler's htons. The one thing swapped, or None."""
        leaves: set[int] = set()
        found = False
        stack = [(term, 0)]
        while stack:
            one, level = stack.pop()
            node = self.terms.nodes[one]
            if node[0] == OP and level < 8:
                found = True
                stack += [(part, level + 1) for part in node[2:]]
            elif node[0] != CONST:
                leaves.add(one)
        if not found:
            return None
        return leaves.pop() if len(leaves) == 1 else self._same_number(leaves)

    def _same_number(self, leaves: set[int]) -> int | None:
        """The number of which the leaves are parts: `ldr` for the low byte and `ldrb` of the next for the high one."""
        places: list[tuple[int, int, int, int]] = []
        for leaf in leaves:
            node = self.terms.nodes[leaf]
            if node[0] == LOAD and not node[3]:
                places.append((node[1], node[2], -node[4], leaf))
            elif node[0] == BYTE and not node[4]:
                places.append((node[2], node[3], -node[5], leaf))
            elif node[0] == PHI and isinstance(node[3], tuple) and len(node[3]) == 3 and not node[3][2]:
                places.append((*node[3][:2], -self.terms.word, leaf))  # what a cell held where paths met
        if len(places) != len(leaves) or not places:
            return None
        root, offset, size, leaf = min(places)
        inside = all(one[0] == root and one[1] - one[2] <= offset - size for one in places)
        return leaf if inside else None

    def _socket(self, descriptor: int) -> tuple[str, frozenset[int]]:
        protocols = set()
        sockets = self.store.leaves(descriptor)
        for leaf in sockets:
            node = self.terms.nodes[leaf]
            if node[2] == "socket" and len(node[3]) > 1:
                kind = self.terms.value(node[3][1])
                if kind is not None:
                    protocols.add(self._protocol(kind))
        return (protocols.pop() if len(protocols) == 1 else ""), sockets

    def _protocol(self, kind: int) -> str:
        """SOCK_STREAM and SOCK_DGRAM change places on MIPS (asm/socket.h); high bits are flags."""
        mips = self.whole.image.architecture == "mips"
        if kind & 15 not in (1, 2):
            return ""
        return "tcp" if (kind & 15) == (2 if mips else 1) else "udp"

    def of(self, descriptor: int | None, reader: str = "") -> tuple[int | None, str, str]:
        """(port, certainty, protocol) of the socket that a source reads; of the only port when that is not known."""
        likely = "udp" if reader in _DATAGRAMS else ""
        if descriptor is not None:
            sockets = set(self.store.leaves(descriptor))
            for leaf in list(sockets):
                node = self.terms.nodes[leaf]
                if node[2] in ("accept", "accept4") and node[3]:
                    sockets |= self.store.leaves(node[3][0])
                    likely = likely or "tcp"
            matching = [one for one in self.bound if one[3] & sockets]
            for value, protocol, certainty, _bound in sorted(matching, key=lambda one: one[1] != likely):
                return value, certainty, protocol
        distinct = {(value, protocol, certainty) for value, protocol, certainty, _ in self.bound}
        if len({value for value, _, _ in distinct}) == 1:
            value, protocol, certainty = min(
                distinct, key=lambda one: (one[2] != "exact", not one[1], one[1] != likely, one)
            )
            return value, certainty, protocol
        return None, "unknown", ""

    def all(self) -> tuple[tuple[int, str, str], ...]:
        return tuple(sorted({(value, protocol, certainty) for value, protocol, certainty, _ in self.bound}))
