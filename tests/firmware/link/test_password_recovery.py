"""Which words are tried, in which order, and that what was found is kept."""

import time
from pathlib import Path

import pytest

from customhouse.firmware.link import password_recovery
from customhouse.firmware.link.password_recovery import candidates, default_passwords, recover
from customhouse.host.context import Context
from customhouse.host.deadline import Deadline


def _md5(word: str) -> str:
    from passlib.hash import md5_crypt  # type: ignore[import-untyped]

    return str(md5_crypt.using(salt="abcdefgh").hash(word))


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(work=tmp_path, cache=tmp_path / "cache", jobs=2)


def test_defaults_come_first_then_names_then_words_of_the_image() -> None:
    words = candidates(["imageword", "root"], ["operator7"])
    assert words[0] == ""
    assert words.index("xc3511") < words.index("operator7123") < words.index("imageword")
    assert words.count("root") == 1


def test_the_list_of_defaults_is_clean() -> None:
    words = default_passwords()
    assert len(words) == len(set(words))
    assert all(len(word) <= 32 and word == word.strip() for word in words)
    assert {"xc3511", "vizxv", "sohoadmin", "hi3518", "7ujMko0vizxv"} <= set(words)


def test_a_default_and_a_word_of_the_image_are_recovered_in_workers(context: Context) -> None:
    known, own, unknown = _md5("xc3511"), _md5("FactoryTest77"), _md5("Kx9#qqqq-never")
    found = recover([known, own, unknown], candidates(["FactoryTest77"]), context)
    assert [found[h].password for h in (known, own, unknown)] == ["xc3511", "FactoryTest77", None]
    assert all(result.complete for result in found.values())


def test_the_answer_is_kept_and_another_candidate_asks_again(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = _md5("FactoryTest77")
    assert recover([hashed], ("wrong",), context)[hashed].password is None
    assert recover([hashed], ("wrong", "FactoryTest77"), context)[hashed].password == "FactoryTest77"
    monkeypatch.setattr(password_recovery, "Pool", None)  # nothing is computed any more
    assert recover([hashed], ("wrong", "FactoryTest77"), context)[hashed].password == "FactoryTest77"
    assert recover([hashed], ("wrong",), context)[hashed].password is None


def test_a_passed_deadline_is_said_and_not_kept(tmp_path: Path, context: Context) -> None:
    late = Context(work=tmp_path, cache=context.cache, jobs=1, deadline=Deadline(time.monotonic() - 1))
    hashed = _md5("xc3511")
    assert not recover([hashed], ("xc3511",), late)[hashed].complete
    assert recover([hashed], ("xc3511",), context)[hashed].password == "xc3511"


def test_locked_and_unknown_forms_are_not_tried(context: Context) -> None:
    assert recover(["x", "*", "", "plain"], ("x",), context) == {}


def test_fewer_words_are_tried_against_slow_hashes() -> None:
    most = password_recovery.TRIED_MOST
    assert most["bcrypt"] < most["sha512"] < most["md5"] < most["des"]
