"""In which order blocks are read: a loop to its end before what comes behind it."""

from collections.abc import Container, Mapping

_Edges = Mapping[int, tuple[int, ...]]


def loop_order(entry: int, blocks: Container[int], successors: _Edges) -> list[int]:
    """Reverse post-order in which ways out of a loop come behind the whole loop."""
    plain = _reverse_post_order(entry, blocks, successors)
    loops = natural_loops(successors, {address: index for index, address in enumerate(plain)})
    if not loops:
        return plain
    inside: dict[int, set[int]] = {}
    for head, body in loops.items():
        for address in body:
            inside.setdefault(address, set()).add(head)
    none: set[int] = set()
    ways = {
        address: tuple(sorted(after, key=lambda one: len(inside.get(address, none) & inside.get(one, none))))
        for address, after in successors.items()
    }
    return _reverse_post_order(entry, blocks, ways)


def _reverse_post_order(entry: int, blocks: Container[int], successors: _Edges) -> list[int]:
    seen = {entry}
    order: list[int] = []
    stack: list[tuple[int, int]] = [(entry, 0)]
    while stack:
        address, index = stack.pop()
        after = successors.get(address, ())
        if index < len(after):
            stack.append((address, index + 1))
            one = after[index]
            if one not in seen and one in blocks:
                seen.add(one)
                stack.append((one, 0))
        else:
            order.append(address)
    return order[::-1]


def natural_loops(successors: _Edges, position: Mapping[int, int]) -> dict[int, set[int]]:
    """Loop bodies by head: the blocks that reach a back edge without passing the head."""
    before: dict[int, list[int]] = {}
    backs: list[tuple[int, int]] = []
    for address in position:
        for after in successors.get(address, ()):
            if after not in position:
                continue
            before.setdefault(after, []).append(address)
            if position[after] <= position[address]:
                backs.append((address, after))
    bodies: dict[int, set[int]] = {}
    for source, head in backs:
        body = bodies.setdefault(head, {head})
        stack = [source]
        while stack:
            one = stack.pop()
            if one not in body:
                body.add(one)
                stack += before.get(one, ())
    return bodies
