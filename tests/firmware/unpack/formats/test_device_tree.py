"""Flattened device trees and FIT images."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.device_tree import DeviceTree
from customhouse.model import Outcome

Nodes = dict[bytes, "Nodes | bytes"]
KERNEL = b"compressed kernel " * 30


def make(root: Nodes, tail: bytes = b"") -> bytes:
    strings: list[bytes] = []

    def node(name: bytes, content: Nodes) -> bytes:
        made = struct.pack(">I", 1) + name + bytes(4 - len(name) % 4)
        for key, value in content.items():
            if isinstance(value, bytes):
                offset = sum(len(known) + 1 for known in strings)
                strings.append(key)
                made += struct.pack(">3I", 3, len(value), offset) + value + bytes(-len(value) % 4)
        for key, value in content.items():
            if isinstance(value, dict):
                made += node(key, value)
        return made + struct.pack(">I", 2)

    structure = node(b"", root) + struct.pack(">I", 9)
    text = b"".join(name + b"\0" for name in strings)
    total = 56 + len(structure) + len(text)
    head = (0xD00DFEED, total, 56, 56 + len(structure), 40, 17, 16, 0, len(text), len(structure))
    return struct.pack(">10I", *head) + bytes(16) + structure + text + tail


def fit() -> bytes:
    image: Nodes = {b"data": KERNEL, b"type": b"kernel\0", b"arch": b"arm64\0", b"compression": b"lzma\0"}
    return make({b"description": b"an update\0", b"images": {b"kernel-1": image, b"fdt": {b"data": b"tree" * 9}}})


def test_the_images_of_a_fit_come_out() -> None:
    tree, ending = read(DeviceTree(), fit() + b"what follows")
    assert (tree.files, ending.outcome) == ({b"kernel-1": KERNEL, b"fdt": b"tree" * 9}, Outcome.DONE)
    extent = DeviceTree().probe(Window(fit()))
    assert extent is not None
    assert extent.detail["kernel-1"] == "kernel, arm64, lzma"
    assert extent.detail["signed"] == "no"


def test_data_behind_the_tree_comes_out() -> None:
    outside: Nodes = {b"data-offset": bytes(4), b"data-size": struct.pack(">I", 600)}
    image = make({b"images": {b"root": outside}})
    image += bytes(-len(image) % 4) + b"R" * 600
    assert read(DeviceTree(), image)[0].files == {b"root": b"R" * 600}


def test_a_plain_tree_tells_the_board_and_its_boot_arguments() -> None:
    image = make({b"model": b"Camera X\0", b"chosen": {b"bootargs": b"console=ttyS0 init=/init\0"}})
    extent = DeviceTree().probe(Window(image))
    assert extent is not None
    assert extent.detail == {"model": "Camera X", "boot arguments": "console=ttyS0 init=/init"}
    assert read(DeviceTree(), image)[0].files == {b"tree.dtb": image}


def test_the_magic_in_a_program_is_not_a_device_tree() -> None:
    assert DeviceTree().probe(Window(b"\xd0\x0d\xfe\xed" + b"\0\1\2\3" * 40)) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(DeviceTree(), fit()[:60] + tail)
    survives(DeviceTree(), damaged(fit(), seed))
