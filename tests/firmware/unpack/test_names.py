"""Names of any bytes become text, and back."""

import json

from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.unpack.names import escape, unescape


@given(st.binary(max_size=60))
def test_every_name_comes_back_and_fits_into_json(raw: bytes) -> None:
    assert unescape(escape(raw)) == raw
    assert json.loads(json.dumps(escape(raw))) == escape(raw)
    escape(raw).encode("utf-8")


def test_plain_names_stay_as_they_are() -> None:
    assert escape("Köln-ключ.txt".encode()) == "Köln-ключ.txt"


def test_what_is_not_plain_is_shown() -> None:
    assert escape(b"a\xff\n\\x41") == r"a\xff\x0a\x5cx41"
