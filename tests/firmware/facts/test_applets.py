"""Applet tables of multi-call programs."""

from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.facts.applets import AppletTable, read_table
from customhouse.firmware.facts.extractor import Content, Hit
from customhouse.model import Digest, FileKind

TABLE = b"\0".join(b"[ ash cat chmod cp df echo grep ls mkdir mount ps rm sh telnetd udhcpc wget".split())


def test_the_table_of_names_is_read():
    names = read_table(b"\x7fELFxx\0Usage: %s\0" + TABLE + b"\0BusyBox v1.19.4\0zebra\0")
    assert "udhcpc" in names
    assert "telnetd" in names
    assert "httpd" not in names
    assert "zebra" not in names


def test_words_that_are_no_table_are_none():
    assert read_table(b"\0".join(b"alpha beta gamma delta epsilon zeta eta theta iota kappa lambda".split())) == ()
    assert read_table(b"") == ()


def test_a_program_that_is_not_multi_call_has_no_applets():
    content = Content(Digest("0" * 64), TABLE, FileKind.ELF)
    assert AppletTable().extract(content, (), b"").names == ()
    assert AppletTable().extract(content, (Hit(tag="multi-call", start=0, end=9),), b"").names


@given(st.binary(max_size=2000))
def test_any_bytes_give_a_table_or_none(data):
    names = read_table(data)
    assert list(names) == sorted(names)
