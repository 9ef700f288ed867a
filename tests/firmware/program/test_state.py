"""Texts that may be one or the other."""

from customhouse.firmware.program.state import Content, Location, cut, either, few, joined, literal

PLACE: Location = (7, 24, 152)
RECEIVED = Content(frozenset({("X", 9, 0, 0, False)}), "%s", 128)


def _lies_at(place: Location) -> Content:
    return Content(frozenset({("T", *place, False)}), "%s", 0, True)


def test_what_lay_at_a_place_before_does_not_hide_how_long_the_new_text_is() -> None:
    for one in (either(_lies_at(PLACE), RECEIVED, PLACE), either(RECEIVED, _lies_at(PLACE), PLACE)):
        assert one.extent == 128
        assert one.deps == RECEIVED.deps | _lies_at(PLACE).deps


def test_a_text_from_another_place_may_be_of_any_length() -> None:
    assert either(_lies_at((7, 176, 152)), RECEIVED, PLACE).extent == 0
    assert either(_lies_at(PLACE), RECEIVED).extent == 0


def test_of_two_known_lengths_the_longer_counts() -> None:
    assert either(literal("UTC0"), RECEIVED, PLACE).extent == 128


def test_what_went_on_with_a_text_on_either_way_went_on_with_it() -> None:
    begun, gone_on = literal("a"), RECEIVED._replace(appended=frozenset({0x100}))
    assert either(begun, gone_on).appended == {0x100}
    assert joined(gone_on, begun).appended == {0x100}
    assert not joined(begun, gone_on).appended  # what is put behind it is another text


def test_a_copy_of_an_object_is_cut_into_copies_of_its_parts() -> None:
    copy = Content(frozenset({("T", 5, 8, 0, False)}), "%s", 284, True)
    assert cut(copy, 31) == (
        copy._replace(extent=31),
        Content(frozenset({("T", 5, 39, 0, False)}), "%s", 253, True),
    )
    for at in (0, 284, 300):
        assert cut(copy, at) is None
    assert cut(RECEIVED, 31) is None


def test_of_too_many_parts_those_that_another_covers_go_first() -> None:
    many = frozenset(("T", root, 0, 0, 0) for root in range(20, 40))
    assert len(few(many)) == 12 and few(many) < many
    behind = frozenset(("T", 5, at, 0, 0) for at in range(8, 20))
    assert few(behind | {("T", 5, 4, 1, 0), ("X", 9, 0, 0, 0)}) == {("T", 5, 4, 1, 0), ("X", 9, 0, 0, 0)}


def test_a_size_that_a_caller_gives_is_kept_where_nothing_else_was_written() -> None:
    given = RECEIVED._replace(extent=0, room=77)
    assert either(_lies_at(PLACE), given, PLACE).room == 77
    assert either(given, given._replace(deps=frozenset({("X", 10, 0, 0, 0)}))).room == 77
    assert either(given, given._replace(room=78)).room == -1
