"""In which order the blocks of a function are evaluated: a loop's body is gone through before its head is met again.

Several ways back to a head (`continue`) make one new round, and what follows a loop waits until the loop is done: so
few visits are enough for what a loop changes to be seen everywhere in it.
"""

import heapq
from collections.abc import Mapping


class Agenda:
    """Blocks to visit, by their number in reverse post-order. `bodies` has the blocks of each loop, by its head."""

    def __init__(self, bodies: Mapping[int, frozenset[int]]) -> None:
        self.bodies = bodies
        self.queue = [0]
        self.queued = {0}
        self.rounds: set[int] = set()
        """Heads of loops that go round once more."""

    def add(self, source: int, target: int) -> None:
        """An edge was taken: its end is to be visited."""
        if target in self.queued:
            return
        if target <= source and source in self.bodies.get(target, ()):
            self.rounds.add(target)
            return
        self.rounds.discard(target)
        self.queued.add(target)
        heapq.heappush(self.queue, target)

    def next(self) -> int | None:
        """The block to visit now; None when all is done."""
        if not self.rounds:
            return self._take(heapq.heappop(self.queue)) if self.queue else None
        head = max(self.rounds)
        body = self.bodies[head]
        inside = [one for one in self.queue if one in body]
        if not inside:
            self.rounds.discard(head)
            return head
        first = min(inside)
        self.queue.remove(first)
        heapq.heapify(self.queue)
        return self._take(first)

    def _take(self, index: int) -> int:
        self.queued.discard(index)
        return index
