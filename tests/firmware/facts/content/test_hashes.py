"""crypt(3) hashes in any surroundings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.facts import facts_of_bytes
from customhouse.firmware.facts.content import ContentExtractor

MD5 = "$1$abcdefgh$" + "X" * 22
SHA512 = "$6$rounds=5000$salt$" + "a" * 86


def _hashes(data: bytes) -> tuple[tuple[str, int], ...]:
    content = facts_of_bytes(data, (ContentExtractor(),)).content
    return content.hashes if content is not None else ()


@pytest.mark.parametrize("form", [MD5, SHA512, "$5$salt$" + "a" * 43, "$2b$05$" + "a" * 53, "$y$j9T$salt$" + "a" * 43])
def test_every_kind_is_found_with_the_user_before_it(form: str) -> None:
    assert _hashes(f"root:{form}:0:0:::\n".encode()) == ((f"root:{form}", 5),)
    assert _hashes(b"\x00\x01" + form.encode() + b"\x00") == ((form, 2),)


def test_old_hashes_count_only_in_lines_of_passwd_and_shadow() -> None:
    assert _hashes(b"root:ab0123456789.:0:0:root:/root:/bin/sh\n") == (("root:ab0123456789.", 5),)
    assert _hashes(b"admin:ab0123456789.:10933:0:99999:7:::\n") == (("admin:ab0123456789.", 6),)
    assert _hashes(b"time:ab0123456789:55:33\n") == ()


@pytest.mark.parametrize("data", [b"price $1$ or $5$ off", b"$1$short$abc", MD5.encode() + b"Y"])
def test_what_is_too_short_or_too_long_is_none(data: bytes) -> None:
    assert _hashes(data) == ()


@given(st.binary(max_size=200))
def test_any_bytes_do_no_harm(data: bytes) -> None:
    _hashes(b"$1$" + data + b"$6$x" + data + b":ab0123456789.:0:" + data)
