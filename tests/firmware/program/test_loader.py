"""The loader: what is no ELF is refused with a reason, whatever the bytes."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.loader import NotAProgram, load

from .compiled import built


def minimal(machine: int = 40, code: bytes = b"\x1e\xff\x2f\xe1" * 16, flags: int = 5) -> bytes:
    """One executable segment at 0x10000, little-endian, 32 bits."""
    size = 52 + 32 + len(code)
    header = b"\x7fELF\x01\x01\x01" + bytes(9)
    header += struct.pack("<HHIIIIIHHHHHH", 2, machine, 1, 0x10054, 52, 0, 0, 52, 32, 1, 40, 0, 0)
    return header + struct.pack("<IIIIIIII", 1, 0, 0x10000, 0x10000, size, size + 64, flags, 0x1000) + code


def test_a_minimal_program_loads_with_its_entry_and_zero_filled_end() -> None:
    image = load(minimal())
    assert (image.architecture, image.entry, image.dynamic) == ("arm", 0x10054, False)
    assert image.executable(0x10054)
    assert image.number(0x10000 + 52 + 32 + 64 + 8, 4) == 0


def test_machines_that_no_device_of_ours_has_are_refused() -> None:
    with pytest.raises(NotAProgram, match="machine 2"):
        load(minimal(machine=2))


def test_encodings_that_the_lifter_would_misread_are_refused_with_their_name() -> None:
    data = bytearray(minimal(machine=8))
    data[36:40] = struct.pack("<I", 0x04000000)
    with pytest.raises(NotAProgram, match="MIPS16"):
        load(bytes(data))
    big = bytearray(52)
    big[:6] = b"\x7fELF\x01\x02"
    big[16:20] = struct.pack(">HH", 2, 40)
    with pytest.raises(NotAProgram, match="big-endian ARM"):
        load(bytes(big))


def test_a_program_without_code_is_refused() -> None:
    with pytest.raises(NotAProgram, match="no executable segment"):
        load(minimal(flags=4))


@given(st.binary(max_size=400), st.integers(0, 140))
def test_any_bytes_load_or_are_refused(noise: bytes, at: int) -> None:
    data = bytearray(minimal())
    data[at : at + len(noise)] = noise
    try:
        assert isinstance(load(bytes(data)), Image)
    except NotAProgram as error:
        assert str(error)


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
def test_no_code_and_no_string_lies_among_what_the_dynamic_loader_reads(tmp_path: Path, architecture: str) -> None:
    text = '#include <stdio.h>\nint main(void) { puts("a string"); return 0; }'
    image = load(built(tmp_path, architecture, text, "-fPIE", "-pie"))
    strings = next(one.start + at for one in image.segments if (at := one.data.find(b"a string")) >= 0)
    names = next(one.start + at for one in image.segments if (at := one.data.find(b"libc.so")) >= 0)
    assert names < image.floor <= min(strings, image.even(image.entry))
