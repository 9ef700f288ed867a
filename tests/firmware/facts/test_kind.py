"""What a content is taken for."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.firmware.facts.elf_maker import ElfMaker

from customhouse.firmware.facts.kind import entropy_of, kind_of
from customhouse.model import FileKind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", FileKind.EMPTY),
        (b"#!/bin/sh\necho", FileKind.SCRIPT),
        (b"if [ -f /etc/x ]; then\n\ttelnetd &\nfi\n", FileKind.SCRIPT),
        (b"mount -a\nifconfig lo up\n/usr/sbin/httpd &\n", FileKind.SCRIPT),
        (b"root:x:0:0:root:/root:/bin/sh\n", FileKind.TEXT),
        (b"key = value\nother = 1\n", FileKind.TEXT),
        ("Grüße\n".encode(), FileKind.TEXT),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", FileKind.PEM),
        (b"\x1f\x8b\x08\x00rest", FileKind.ARCHIVE),
        (b"\x89PNG\r\n\x1a\nrest", FileKind.IMAGE),
        (b"\xe9\x04\x02\x20" + bytes(200), FileKind.MCU),
        (b"\x00\x01\x02\x03", FileKind.DATA),
        (bytes(600_000) + b"Linux version 3.10.14 (root@build) (gcc)", FileKind.KERNEL),
        (ElfMaker().file(), FileKind.ELF),
        (ElfMaker(type=1, sections={".modinfo": b"vermagic=3.10\0"}).file(), FileKind.KERNEL_MODULE),
        (ElfMaker(type=1).file(), FileKind.ELF),
    ],
)
def test_kinds(data: bytes, kind: FileKind) -> None:
    assert kind_of(data) is kind


def test_entropy_of_one_letter_is_none_and_of_all_bytes_is_eight() -> None:
    assert entropy_of(b"aaaa") == 0
    assert entropy_of(b"") == 0
    assert entropy_of(bytes(range(256))) == 8


def test_entropy_of_a_long_content_is_that_of_its_parts() -> None:
    assert entropy_of(bytes(range(256)) * 8000) == 8
    assert entropy_of(bytes(1 << 20) + b"\1" * (1 << 20)) == 1


def test_blank_lines_cost_no_time() -> None:
    started = time.monotonic()
    kind_of(b"\n" * (1 << 16))
    kind_of(b" \t\n" * (1 << 14))
    assert time.monotonic() - started < 5


@given(st.binary(max_size=300))
def test_any_bytes_have_a_kind(data: bytes) -> None:
    assert isinstance(kind_of(data), FileKind)
