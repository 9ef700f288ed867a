"""printf and scanf formats in pieces."""

from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program.bytesets import SHELL, of
from customhouse.firmware.program.formats import conversions, only_numbers


def test_only_s_carries_text_and_stars_take_arguments() -> None:
    pieces = [
        (piece.kind, piece.stars, piece.precision) for piece in conversions("ping -c %d %.*s %-8s%%") if piece.kind
    ]
    assert pieces == [("d", 0, -1), ("s", 1, -1), ("s", 0, -1)]


def test_a_scanned_set_knows_its_characters_and_width() -> None:
    [piece] = [piece for piece in conversions("%15[0-9.]", scanning=True) if piece.kind]
    assert (piece.kind, piece.width, set(piece.set)) == ("[", 15, set("0123456789."))


@given(st.text(max_size=60), st.booleans())
def test_any_text_is_cut_without_loss_of_literals(text: str, scanning: bool) -> None:
    pieces = conversions(text, scanning)
    if "%" not in text:
        assert "".join(piece.text for piece in pieces) == text


def test_a_scan_that_reached_the_end_took_nothing_but_numbers() -> None:
    for text, count in (("%d%c", 1), ("%u.%u.%u.%u%c", 4), ("%d%n", None), ("%lx %s", 1)):
        lacks = only_numbers(text, count)
        assert lacks is not None and lacks & SHELL == SHELL and not lacks & of("0123456789")


def test_a_scan_that_may_have_stopped_before_the_end_tells_nothing() -> None:
    for text, count in (("%d", 1), ("%d%d", 1), ("%d%c", 2), ("%s%c", 1), ("%d,%15s", 2), ("%*d%c", 0)):
        assert only_numbers(text, count) is None


def test_what_the_format_itself_allows_is_not_lacking() -> None:
    lacks = only_numbers("%d;%d%c", 2)
    assert lacks is not None and not lacks & of(";") and lacks & of("|") == of("|")
