"""printf and scanf formats in pieces."""

from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program.formats import conversions


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
