"""Texts that are kept, and what runs them."""

from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.facts.extractor import Content
from customhouse.firmware.facts.text import MOST, TextExtractor
from customhouse.model import Digest, FileKind, TextFacts


def _read(data: bytes) -> TextFacts:
    return TextExtractor().extract(Content(Digest("0" * 64), data, FileKind.TEXT), (), b"")


def test_the_interpreter_is_named_without_its_folder() -> None:
    assert _read(b"#!/bin/sh /etc/rc.common\n").interpreter == "sh"
    assert _read(b"#!/usr/bin/env lua\n").interpreter == "lua"
    assert _read(b"# no interpreter\n").interpreter == ""


def test_bytes_that_are_not_utf8_are_latin() -> None:
    facts = _read(b"caf\xe9\n")
    assert (facts.text, facts.encoding) == ("café\n", "latin-1")


def test_long_texts_and_programs_are_not_wanted() -> None:
    assert TextExtractor().wants(FileKind.SCRIPT, MOST)
    assert not TextExtractor().wants(FileKind.SCRIPT, MOST + 1)
    assert not TextExtractor().wants(FileKind.ELF, 10)


@given(st.binary(max_size=200))
def test_any_bytes_decode(data: bytes) -> None:
    assert isinstance(_read(data).text, str)
