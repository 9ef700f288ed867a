"""The component extractor on whole contents, through the real pattern pass."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.firmware.facts import facts_of_bytes
from customhouse.firmware.facts.components import Components
from customhouse.model import FileKind, How

EXTRACTORS = (Components(),)
PADDING = b"\0\1\2\3" * 64


def named(*parts: bytes) -> list[tuple[str, str, str]]:
    """What is said of a program-like content with these strings in it."""
    facts = facts_of_bytes(PADDING + b"\0".join((b"", *parts, b"")) + PADDING, EXTRACTORS)
    assert facts.kind is FileKind.DATA
    assert facts.components is not None
    return [(hint.rule, hint.version, hint.how) for hint in facts.components.hints]


def test_a_banner_names_its_program():
    assert named(b"BusyBox v1.22.1 (2016-03-01 12:00:00 CST)") == [("busybox", "1.22.1", How.DEFINES)]


def test_the_same_words_in_a_sentence_are_a_mention():
    assert named(b"tested with BusyBox v1.22.1 (2016)") == [("busybox", "1.22.1", How.MENTIONS)]


def test_a_client_of_openssl_is_not_openssl():
    assert named(b"OpenSSL 1.0.2k  26 Jan 2017") == [("openssl", "1.0.2k", How.MENTIONS)]


def test_a_program_that_carries_openssl_is():
    assert ("openssl", "1.0.2k", How.DEFINES) in named(b"AES part of OpenSSL 1.0.2k  26 Jan 2017")


@pytest.mark.parametrize(
    "text",
    [
        b"profile-1.0",
        b"xdropbear_2016.74",
        b"curl/7.29.0 libcurl-agent/1.0",
        b"zlib 1.2.11",
        b"nginx 1.4",
        b"SQLite 3.8.0",
    ],
)
def test_pieces_of_other_words_name_nobody(text):
    assert [one for one in named(text) if one[2] != How.MENTIONS] == []


def test_a_lone_version_is_believed_when_it_is_the_only_one():
    sign = b"pppd %s started by %s, uid %d"
    assert named(sign, b"2.4.7") == [("pppd", "2.4.7", How.DEFINES)]
    assert named(sign, b"2.4.7", b"2.4.5") == [("pppd", "", How.DEFINES)]


def test_a_program_that_knows_older_versions_is_of_the_highest():
    assert named(b"redis-cli %s", b"7.0.15", b"2.8.12", b"7.0.9") == [("redis", "7.0.15", How.DEFINES)]


def test_translations_of_a_program_are_not_the_program():
    catalogue = b"\xde\x12\x04\x95" + PADDING + b"\0pppd %s started by %s, uid %d\0002.4.7\0"
    facts = facts_of_bytes(catalogue, EXTRACTORS)
    assert facts.components is not None
    assert facts.components.hints == ()


def test_documentation_is_not_searched_for_programs():
    facts = facts_of_bytes(b"BusyBox v1.22.1 (2016-03-01)\nis what we ship.\n" * 4, EXTRACTORS)
    assert facts.components is not None
    assert facts.components.hints == ()


def test_a_script_of_the_web_pages_is_named_by_its_header():
    facts = facts_of_bytes(b"/*! jQuery v1.8.3 jquery.com | jquery.org/license */\n(function(a,b){})\n", EXTRACTORS)
    assert facts.components is not None
    assert [(hint.rule, hint.version) for hint in facts.components.hints] == [("jquery", "1.8.3")]


def test_the_version_of_the_extractor_follows_its_rules():
    assert Components().version.startswith("1-")
    assert len(Components().version) == 18


@settings(max_examples=40)
@given(st.binary(max_size=600))
def test_any_bytes_are_named_or_not(data):
    facts = facts_of_bytes(b"\x7fELF" + data, EXTRACTORS)
    assert facts.components is None or isinstance(facts.components.hints, tuple)
