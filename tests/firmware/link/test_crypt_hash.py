"""Kinds of hashes, and words tried against them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.link import crypt_hash
from customhouse.firmware.link.crypt_hash import kind_of, matches


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "none"),
        ("x", "locked"),
        ("*", "locked"),
        ("!", "locked"),
        ("!$1$abcdefgh$" + "X" * 22, "locked"),
        ("*LK*", "locked"),
        ("ab0123456789.", "des"),
        ("$1$abcdefgh$" + "X" * 22, "md5"),
        ("$1$$" + "X" * 22, "md5"),
        ("$5$salt$" + "X" * 43, "sha256"),
        ("$6$rounds=9999$salt$" + "X" * 86, "sha512"),
        ("$2y$10$" + "X" * 53, "bcrypt"),
        ("$y$j9T$salt$" + "X" * 43, "yescrypt"),
        ("plain", "unknown"),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def _hash(word: str, setting: str) -> str:
    from passlib import hash as forms  # type: ignore[import-untyped]

    salt = setting.split("$")[2] if "$" in setting else setting
    form = {"$1$": forms.md5_crypt, "$5$": forms.sha256_crypt, "$6$": forms.sha512_crypt}.get(
        setting[:3], forms.des_crypt
    )
    using = form.using(salt=salt, rounds=5000) if setting[:3] in ("$5$", "$6$") else form.using(salt=salt)
    return str(using.hash(word))


@pytest.mark.parametrize("setting", ["$1$abcdefgh$", "$5$saltsalt$", "$6$saltsalt$", "ab"])
@pytest.mark.parametrize("system", [True, False])
def test_the_right_word_matches_and_others_do_not(setting: str, system: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not system:
        monkeypatch.setattr(crypt_hash, "_system_crypt", lambda: None)
    hashed = _hash("vizxv", setting)
    assert matches("vizxv", hashed)
    assert not matches("vizxw", hashed)
    assert not matches("", hashed)


def test_a_locked_entry_matches_no_word() -> None:
    assert not matches("x", "x")
    assert not matches("", "")
    assert not matches("!", "!")


@given(st.text(max_size=20), st.text(max_size=40))
def test_any_texts_give_an_answer(word: str, hashed: str) -> None:
    assert matches(word, hashed) in (True, False)
    assert kind_of(hashed)
