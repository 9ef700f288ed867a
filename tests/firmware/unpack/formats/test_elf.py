"""Programs among other bytes."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.unpack.recording import damaged, read, survives

from customhouse.firmware.unpack.format import Window
from customhouse.firmware.unpack.formats.elf import Elf
from customhouse.model import Outcome


def make(order: str = "<", *, wide: bool = False, code: bytes = b"code" * 100, no_bits: int = 0) -> bytes:
    """One segment with the code, then one section without bytes of its own."""
    word = "Q" if wide else "I"
    own, program, section = (64, 56, 64) if wide else (52, 32, 40)
    ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    at, tail = own + program, own + program + len(code)
    head = ident + struct.pack(f"{order}2HI3{word}I", 2, 8, 1, 0x1000, own, tail, 0)
    head += struct.pack(f"{order}6H", own, program, 1, section, 1, 0)
    if wide:
        segment = struct.pack(f"{order}2I6Q", 1, 5, at, 0, 0, len(code), len(code), 4)
        bss = struct.pack(f"{order}2I4Q2I2Q", 0, 8, 3, 0, tail, no_bits, 0, 0, 4, 0)
    else:
        segment = struct.pack(f"{order}8I", 1, at, 0, 0, len(code), len(code), 5, 4)
        bss = struct.pack(f"{order}10I", 0, 8, 3, 0, tail, no_bits, 0, 0, 4, 0)
    return head + segment + code + bss


def test_a_program_ends_behind_the_last_thing_that_its_headers_name() -> None:
    for order in "<>":
        for wide in (False, True):
            made = make(order, wide=wide, no_bits=1 << 20)
            extent = Elf().probe(Window(made + b"\xff" * 500))
            assert extent is not None
            assert (extent.size, extent.detail["bits"]) == (len(made), "64" if wide else "32")


def test_the_program_comes_out_as_a_file() -> None:
    tree, ending = read(Elf(), make())
    assert ending.outcome is Outcome.DONE
    assert tree.files == {b"program.elf": make()}


def test_a_program_that_is_cut_off_is_left_with_the_bytes_around_it() -> None:
    assert Elf().probe(Window(make()[:300])) is None


def test_the_magic_alone_is_no_program() -> None:
    assert Elf().probe(Window(b"\x7fELF\x01\x01\x01" + bytes(200))) is None
    assert Elf().probe(Window(b"\x7fELF\x01\x01\x01" + b"\xff" * 200)) is None
    assert Elf().probe(Window(make()[:40])) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2**32))
def test_any_bytes_give_an_outcome(tail: bytes, seed: int) -> None:
    survives(Elf(), b"\x7fELF\x01\x01\x01" + tail)
    survives(Elf(), damaged(make(), seed))
