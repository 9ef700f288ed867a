"""SONAME and symbols from the bytes of real programs and of broken ones."""

import struct

from hypothesis import example, given
from hypothesis import strategies as st

from customhouse.firmware.facts.component_symbols import symbols_of


def library(order: str = "<", wide: bool = False) -> bytes:
    """A shared object with a SONAME, one defined function, one defined object and one import; no section headers."""
    strings = b"\0libz.so.1\0deflate\0version\0malloc\0"
    names = {text: strings.index(text) for text in (b"libz.so.1", b"deflate", b"version", b"malloc")}
    head, segment = (64, 56) if wide else (52, 32)
    symbol, entry = (24, 16) if wide else (16, 8)
    dynamic = head + 2 * segment
    table = dynamic + 6 * entry
    at_strings = table + 4 * symbol
    text = at_strings + len(strings)
    data = b"1.2.11\0"
    size = text + len(data)

    def sym(name: int, value: int, length: int, info: int, section: int) -> bytes:
        fields = (name, info, 0, section, value, length) if wide else (name, value, length, info, 0, section)
        return struct.pack(order + ("IBBHQQ" if wide else "IIIBBH"), *fields)

    def load(kind: int, offset: int, length: int) -> bytes:
        if wide:
            return struct.pack(order + "IIQQQQQQ", kind, 4, offset, offset, offset, length, length, 1)
        return struct.pack(order + "IIIIIIII", kind, offset, offset, offset, length, length, 4, 1)

    ident = b"\x7fELF" + bytes([2 if wide else 1, 2 if order == ">" else 1, 1]) + bytes(9)
    word = "Q" if wide else "I"
    rest = struct.pack(order + "HHI" + 3 * word + "IHHHHHH", 3, 8, 1, 0, head, 0, 0, head, segment, 2, 0, 0, 0)
    pairs = [(14, names[b"libz.so.1"]), (5, at_strings), (6, table), (10, len(strings)), (0, 0), (0, 0)]
    parts = ident + rest + load(1, 0, size) + load(2, dynamic, 6 * entry)
    parts += b"".join(struct.pack(order + 2 * word, *pair) for pair in pairs)
    parts += sym(0, 0, 0, 0, 0) + sym(names[b"deflate"], text, 4, 0x12, 1)
    parts += sym(names[b"version"], text, len(data), 0x11, 1) + sym(names[b"malloc"], 0, 0, 0x12, 0)
    return parts + strings + data


def test_what_a_library_defines_is_told_from_what_it_imports():
    for order in "<>":
        for wide in (False, True):
            symbols = symbols_of(library(order, wide))
            assert symbols.soname == "libz.so.1"
            assert set(symbols.defined) == {"deflate", "version"}


def test_an_exported_text_can_be_read_from_the_file():
    content = library()
    place, size = symbols_of(content).defined["version"]
    assert content[place : place + size] == b"1.2.11\0"


def test_what_is_no_elf_has_no_symbols():
    assert symbols_of(b"#!/bin/sh\n" * 10).defined == {}


@given(st.integers(0, len(library()) - 1), st.integers(0, 255), st.integers(0, len(library())))
@example(44, 255, len(library()))
def test_a_damaged_file_is_read_as_far_as_it_goes(place, value, length):
    content = bytearray(library())
    content[place] = value
    assert isinstance(symbols_of(bytes(content[:length])).soname, str)


@given(st.binary(max_size=400))
def test_any_bytes_have_symbols_or_none(rest):
    assert symbols_of(b"\x7fELF" + rest).soname is not None
