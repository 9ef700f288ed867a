"""The order in which blocks are visited."""

from customhouse.firmware.program.agenda import Agenda


def visits(agenda: Agenda, edges: dict[int, list[int]], rounds: int) -> list[int]:
    """What is visited when each edge changes something the first `rounds` times."""
    out: list[int] = []
    left = {(source, target): rounds for source, targets in edges.items() for target in targets}
    while (block := agenda.next()) is not None:
        out.append(block)
        for target in edges.get(block, []):
            if left[(block, target)]:
                left[(block, target)] -= 1
                agenda.add(block, target)
    return out


def test_several_ways_back_make_one_round() -> None:
    edges = {0: [1], 1: [2], 2: [1, 3], 3: [1, 4], 4: [1, 5]}
    agenda = Agenda({1: frozenset({1, 2, 3, 4})})
    assert visits(agenda, edges, 2) == [0, 1, 2, 3, 4, 1, 2, 3, 4, 1, 5]


def test_what_follows_a_loop_waits_until_it_is_done() -> None:
    """The way out comes first in the order and is still visited last."""
    edges = {0: [1], 1: [2, 3], 3: [1]}
    agenda = Agenda({1: frozenset({1, 3})})
    order = visits(agenda, edges, 2)
    assert order.index(3) < len(order) - 1 - order[::-1].index(2)
    assert order.count(1) == 3
