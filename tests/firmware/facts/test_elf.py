"""What an ELF file says of itself, and that lies in it cost nothing."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.facts.elf_maker import ElfMaker

from customhouse.firmware.facts.elf import ElfExtractor, facts_of
from customhouse.firmware.facts.elf_file import Malformed
from customhouse.firmware.facts.extractor import Content
from customhouse.model import Digest, FileKind

GNU_STACK, GNU_RELRO = 0x6474E551, 0x6474E552
CAMERA = ElfMaker(
    interpreter="/lib/ld-uClibc.so.0",
    needed=("libc.so.0", "libssl.so.1.0.0"),
    symbols=(
        ("system", False),
        ("recvfrom", False),
        ("main", True),
        ("__stack_chk_fail", False),
        ("__memcpy_chk", False),
    ),
    segments=((GNU_STACK, 6), (GNU_RELRO, 4)),
    tags=((24, 0),),
    build_id=bytes(range(20)),
    sections={".comment": b"GCC: (Buildroot) 4.8.3\0"},
)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("big_endian", [False, True])
def test_names_and_mitigations_are_read_in_both_sizes_and_orders(bits: int, big_endian: bool) -> None:
    CAMERA.bits, CAMERA.big_endian = bits, big_endian
    facts = facts_of(CAMERA.file())
    assert (facts.bits, facts.big_endian, facts.machine, facts.type) == (bits, big_endian, "mips", "exec")
    assert facts.needed == ("libc.so.0", "libssl.so.1.0.0")
    assert facts.imports == ("__memcpy_chk", "__stack_chk_fail", "recvfrom", "system")
    assert facts.exports == ("main",)
    assert facts.interpreter == "/lib/ld-uClibc.so.0"
    assert (facts.nx, facts.pie, facts.relro, facts.canary, facts.fortify) == (True, False, "full", True, True)
    assert facts.build_id == bytes(range(20)).hex()
    assert facts.comment == "GCC: (Buildroot) 4.8.3"


def test_a_program_without_any_mitigation_has_none() -> None:
    facts = facts_of(ElfMaker(needed=("libc.so.0",), symbols=(("strcpy", False),)).file())
    assert (facts.nx, facts.pie, facts.relro, facts.canary, facts.fortify) == (False, False, "none", False, False)


def test_an_executable_stack_is_no_nx_and_lazy_binding_is_partial_relro() -> None:
    facts = facts_of(ElfMaker(needed=("libc.so",), segments=((GNU_STACK, 7), (GNU_RELRO, 4))).file())
    assert (facts.nx, facts.relro) == (False, "partial")


def test_a_position_independent_program_is_told_from_a_library() -> None:
    program = facts_of(ElfMaker(type=3, interpreter="/lib/ld.so", needed=("libc.so",)).file())
    library = facts_of(ElfMaker(type=3, soname="libx.so.1", needed=("libc.so",)).file())
    assert (program.pie, program.soname) == (True, "")
    assert (library.pie, library.soname) == (False, "libx.so.1")


def test_a_static_program_has_neither_loader_nor_libraries() -> None:
    assert facts_of(ElfMaker().file()).is_static
    assert not facts_of(ElfMaker(needed=("libc.so",)).file()).is_static


@pytest.mark.parametrize(
    ("maker", "name"),
    [
        (ElfMaker(machine=8, big_endian=True), "mips"),
        (ElfMaker(machine=8), "mipsel"),
        (ElfMaker(machine=40, flags=0x5000400), "armhf"),
        (ElfMaker(machine=40, flags=0x5000200), "armel"),
        (ElfMaker(machine=183, bits=64), "arm64"),
        (ElfMaker(machine=62, bits=64), "x86-64"),
        (ElfMaker(machine=243, bits=64), "riscv64"),
        (ElfMaker(machine=999), "machine-999"),
    ],
)
def test_architectures_have_the_names_of_debians_ports(maker: ElfMaker, name: str) -> None:
    assert facts_of(maker.file()).architecture == name


def test_a_kernel_module_says_what_it_was_built_for() -> None:
    module = ElfMaker(type=1, sections={".modinfo": b"license=GPL\0vermagic=3.10.14 preempt mod_unload\0alias=x\0"})
    facts = facts_of(module.file())
    assert facts.type == "rel"
    assert facts.modinfo == {"license": "GPL", "vermagic": "3.10.14 preempt mod_unload"}


def test_this_interpreter_is_read_as_other_tools_read_it() -> None:
    data = Path(sys.executable).resolve().read_bytes()
    if data[:4] != b"\x7fELF":
        pytest.skip("Python is no ELF file here")
    facts = facts_of(data)
    assert "libc.so.6" in facts.needed or facts.is_static or any("musl" in name for name in facts.needed)
    assert facts.nx


def test_a_broken_header_is_malformed_and_never_an_exception_of_the_extractor() -> None:
    with pytest.raises(Malformed):
        facts_of(b"\x7fELF" + bytes(10))
    content = Content(Digest("0" * 64), b"\x7fELF" + bytes(10), FileKind.ELF)
    assert ElfExtractor().extract(content, (), b"").type == "malformed"


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_bytes_behind_the_magic_give_an_answer(data: st.DataObject) -> None:
    CAMERA.bits = data.draw(st.sampled_from([32, 64]))
    image = bytearray(CAMERA.file())
    for _ in range(data.draw(st.integers(0, 12))):
        image[data.draw(st.integers(4, len(image) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(image[: data.draw(st.integers(4, len(image)))])
    content = Content(Digest("0" * 64), cut, FileKind.ELF)
    assert ElfExtractor().extract(content, (), b"").machine


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_give_an_answer(data: bytes) -> None:
    content = Content(Digest("0" * 64), b"\x7fELF" + data, FileKind.ELF)
    assert ElfExtractor().extract(content, (), b"").machine
