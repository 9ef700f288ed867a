"""Commands, paths and candidate words of programs."""

from hypothesis import given
from hypothesis import strategies as st
from tests.firmware.facts.elf_maker import ElfMaker

from customhouse.firmware.facts import facts_of_bytes
from customhouse.firmware.facts.content import ContentExtractor
from customhouse.model import ContentFacts


def _content(data: bytes) -> ContentFacts:
    content = facts_of_bytes(data, (ContentExtractor(),)).content
    assert content is not None
    return content


def _program(*strings: bytes) -> ContentFacts:
    return _content(ElfMaker().file() + b"\x00" + b"\x00".join(strings) + b"\x00")


def test_commands_of_a_program_are_kept_whole() -> None:
    found = _program(b"ifconfig %s down", b"/sbin/reboot -f", b"killall -9 httpd && telnetd", b"echo", b"the rm of old")
    assert [text for text, _ in found.commands] == [
        "ifconfig %s down",
        "/sbin/reboot -f",
        "killall -9 httpd && telnetd",
    ]


def test_paths_of_a_program_are_kept() -> None:
    found = _program(b"/etc/ssl/camera.key", b"/dev/mtd4", b"cp /tmp/a /usr/b", b"/not/ours", b"and/etc/no")
    assert found.paths == ("/dev/mtd4", "/etc/ssl/camera.key", "/tmp/a", "/usr/b")


def test_words_that_look_like_passwords_come_first() -> None:
    words = _program(b"hello", b"xmhdipc1", b"admin1234", b"%s/%d", b"my_symbol", b"libc.so.6", b"/etc/x").words
    assert words[0] == "admin1234"
    assert "xmhdipc1" in words
    assert "%s/%d" not in words
    assert "my_symbol" not in words


def test_values_of_password_keys_in_texts_are_words() -> None:
    assert _content(b"[login]\nuser=boss\npasswd = s3cr3t99\nsize=12345\n").words == ("s3cr3t99", "boss")


def test_scripts_have_neither_commands_nor_paths_here() -> None:
    content = _content(b"#!/bin/sh\nrm -rf /tmp/x\n")
    assert (content.commands, content.paths) == ((), ())


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_strings_do_no_harm(strings: list[bytes]) -> None:
    _program(*strings)
