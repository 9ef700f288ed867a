"""No word that a device chose acts on who reads the report, wherever in the dossier it stands."""

import msgspec
import pytest

from customhouse.model import Dossier, Offset, Volume
from customhouse.reports import html, terminal
from customhouse.reports.summary import header_words

_ATTACK = "\x1b[2J<script>alert(1)</script>\u202e\r"
_CHOSEN_BY_US = {
    "decision",
    "severity",
    "confidence",
    "outcome",
    "how",
    "kind",
    "status",
    "result",
    "created",
    "digest",
}


def poisoned(value: object, key: str = "") -> object:
    """The same dossier with every free text replaced."""
    if isinstance(value, dict):
        return {name: poisoned(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [poisoned(inner, key) for inner in value]
    if isinstance(value, str) and value and key not in _CHOSEN_BY_US | {"date", "sha256", "published", "clock_start"}:
        return _ATTACK
    return value


@pytest.fixture
def hostile(dossier: Dossier) -> Dossier:
    told = Volume(name="a", kind="esp32", offset=Offset(0), size=9, detail={"chip": "x", "created": "1e99"})
    data = msgspec.to_builtins(msgspec.structs.replace(dossier, volumes=(told,)))
    return msgspec.convert(poisoned(data), type=Dossier)


def test_the_terminal_obeys_nothing_in_the_report(hostile: Dossier) -> None:
    text = terminal.render(hostile)
    assert "\\x1b[2J" in text
    assert not any(letter in text for letter in "\x1b\u202e\r")


def test_the_page_runs_nothing_of_the_report(hostile: Dossier) -> None:
    page = html.render(hostile)
    assert "<script" not in page
    assert not any(letter in page for letter in "\x1b\u202e\r")


def test_a_header_is_told_in_words_and_its_time_as_a_day() -> None:
    volume = Volume(
        name="v",
        kind="esp32",
        offset=Offset(0),
        size=9,
        detail={"chip": "ESP32", "project": "", "created": "1767225600"},
    )
    assert header_words(volume) == "esp32: chip ESP32; created 2026-01-01"


def test_what_the_headers_say_is_in_both_reports(dossier: Dossier) -> None:
    told = Volume(
        name="@esp32-0x0", kind="esp32", offset=Offset(0), size=9, detail={"chip": "ESP32", "IDF version": "5.5.4"}
    )
    with_header = msgspec.structs.replace(dossier, volumes=(told,))
    for text in (terminal.render(with_header), html.render(with_header)):
        assert "chip ESP32; IDF version 5.5.4" in text
