"""Flattened device trees: FIT images, which carry kernels and more, and plain ones, which describe a board.

Source: Devicetree Specification 0.4, chapter 5; U-Boot doc/usage/fit.
"""

from collections.abc import Iterator

import msgspec

from customhouse.model import Outcome

from ..format import DONE, Ending, Extent, Format, Magic, Malformed, Meta, TreeWriter, Window

_HEADER = 40
_BEGIN, _END, _PROPERTY, _NOTHING, _LAST = 1, 2, 3, 4, 9
_DEEPEST = 64
_LARGEST = 1 << 28


class Node(msgspec.Struct):
    """One node; `properties` are raw bytes by name, in the order of the tree."""

    path: tuple[bytes, ...]
    properties: dict[bytes, bytes]

    def text(self, name: bytes) -> str:
        """A property as text; lists are joined with commas."""
        return ", ".join(
            piece.decode("utf-8", "replace") for piece in self.properties.get(name, b"").split(b"\0") if piece
        )

    def number(self, name: bytes) -> int | None:
        value = self.properties.get(name)
        return int.from_bytes(value[:4], "big") if value else None


class DeviceTree(Format):
    name = "device-tree"
    title = "Flattened device tree, with the images of a FIT"
    magics = (Magic(0, b"\xd0\x0d\xfe\xed"),)
    carries = True
    limits = "signatures of a FIT are recorded, not verified"

    def _probe(self, data: Window) -> Extent | None:
        total, structure, strings, _reserved, version, last, *_ = data.unpack(">9I", 4)
        if not 16 <= version <= 32 or last > version or total < _HEADER or total > _LARGEST:
            return None
        if max(structure, strings) >= total:
            return None
        nodes = list(_nodes(data.part(0, total)))
        if not nodes:
            return None
        size, detail = total, _about(nodes)
        for image in _images(nodes):
            place = _external(image, total)
            size = max(size, place[0] + place[1]) if place else size
        return Extent(
            size=min(size, data.size), label=nodes[0].text(b"description") or nodes[0].text(b"model"), detail=detail
        )

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        total = data.unpack(">I", 4)[0]
        nodes = list(_nodes(data.part(0, total)))
        images = list(_images(nodes))
        if not images:
            tree.file(b"tree.dtb", (data.view(),), Meta())
        for image in images:
            _write(data, image, total, tree)
        if total > data.size:
            return Ending(Outcome.PARTIAL, f"truncated: {total} bytes are declared and {data.size} are there")
        return DONE


def _nodes(data: Window) -> Iterator[Node]:
    """All nodes in the order of the tree, the root first."""
    _magic, _total, at, strings = data.unpack(">4I", 0)
    stack: list[Node] = []
    while True:
        [token] = data.unpack(">I", at)
        at += 4
        if token == _BEGIN:
            name, at = _name(data, at)
            stack.append(Node((*stack[-1].path, name) if stack else (), {}))
            if len(stack) > _DEEPEST:
                raise Malformed("a device tree nests too deeply")
        elif token == _PROPERTY and stack:
            size, offset = data.unpack(">2I", at)
            key = data.read(strings + offset, 256).split(b"\0")[0]
            stack[-1].properties[key] = data.exactly(at + 8, size)
            at += 8 + -(-size // 4) * 4
        elif token == _END and stack:
            yield stack.pop()
            if not stack:
                return
        elif token != _NOTHING:
            raise Malformed(f"a device tree has an unknown token {token}")


def _name(data: Window, at: int) -> tuple[bytes, int]:
    raw = data.read(at, 256)
    if b"\0" not in raw:
        raise Malformed("a node name has no end")
    name = raw.split(b"\0")[0]
    return name, at + -(-(len(name) + 1) // 4) * 4


def _images(nodes: list[Node]) -> Iterator[Node]:
    return (node for node in nodes if len(node.path) == 2 and node.path[0] == b"images")


def _about(nodes: list[Node]) -> dict[str, str]:
    detail = {}
    root = next((node for node in nodes if not node.path), None)
    for key in (b"description", b"model", b"compatible"):
        if root is not None and root.text(key):
            detail[key.decode()] = root.text(key)
    chosen = next((node for node in nodes if node.path == (b"chosen",)), None)
    if chosen is not None and chosen.text(b"bootargs"):
        detail["boot arguments"] = chosen.text(b"bootargs")
    if any(node.path[:1] == (b"images",) for node in nodes):
        signed = any(node.path and node.path[-1].startswith(b"signature") for node in nodes)
        detail["signed"] = "yes" if signed else "no"
    for node in _images(nodes):
        facts = (node.text(key) for key in (b"description", b"type", b"arch", b"os", b"compression"))
        detail[node.path[1].decode("utf-8", "replace")] = ", ".join(fact for fact in facts if fact)
    return detail


def _external(image: Node, total: int) -> tuple[int, int] | None:
    """Offset and size of data that lies behind the tree."""
    size = image.number(b"data-size")
    position, offset = image.number(b"data-position"), image.number(b"data-offset")
    if size is None or (position is None and offset is None):
        return None
    return (position if position is not None else -(-total // 4) * 4 + (offset or 0)), size


def _write(data: Window, image: Node, total: int, tree: TreeWriter) -> None:
    name = image.path[1]
    place = _external(image, total)
    if place is not None:
        piece = data.part(min(place[0], data.size), place[1])
        if piece.size < place[1]:
            tree.trouble(f"the data of {name.decode('utf-8', 'replace')} is cut off")
        tree.file(name, (piece.view(),), Meta())
    elif b"data" in image.properties:
        tree.file(name, (image.properties[b"data"],), Meta())
    else:
        tree.trouble(f"{name.decode('utf-8', 'replace')} has no data")
