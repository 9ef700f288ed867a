"""Where in a shell's line a text lands."""

from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program import quoting
from customhouse.firmware.program.bytesets import ALL, SHELL, of
from customhouse.firmware.program.quoting import DOUBLE, OUTSIDE, SAFE, SINGLE, START, after, holes, inside, kept
from customhouse.firmware.program.state import Content, joined

BEGINNINGS = (OUTSIDE, SINGLE, DOUBLE)


def test_a_quote_is_left_and_entered_again_by_the_usual_escape() -> None:
    assert after((SINGLE, SINGLE, SINGLE), "'\\''") == (SINGLE, SINGLE, SINGLE)
    assert after((SINGLE, SINGLE, SINGLE), "\\'") == (OUTSIDE, OUTSIDE, OUTSIDE)
    assert after((DOUBLE, DOUBLE, DOUBLE), '\\"') == (DOUBLE, DOUBLE, DOUBLE)


def test_a_text_without_single_quotes_is_safe_between_them_only() -> None:
    bits = kept(of("'"))
    assert inside(bits, holes("grep '%s' /etc/hosts")) & 1 << OUTSIDE
    assert not inside(bits, holes('grep "%s" /etc/hosts')) & 1 << OUTSIDE
    assert not inside(bits, holes("grep %s /etc/hosts")) & 1 << OUTSIDE
    assert not inside(bits, holes("grep '%s' %s")) & 1 << OUTSIDE


def test_double_quotes_need_the_backslash_and_the_dollar_too() -> None:
    assert not kept(of('"')) & 1 << DOUBLE
    assert not kept(of('"$`')) & 1 << DOUBLE
    assert kept(of('"$`\\')) & 1 << DOUBLE


def test_a_text_without_what_starts_a_command_is_safe_anywhere() -> None:
    assert kept(SHELL) == kept(ALL) == SAFE


def test_a_byte_behind_a_backslash_is_safe_but_not_between_single_quotes() -> None:
    assert quoting.kept_byte(after(START, "\\"), 0) == 1 << OUTSIDE | 1 << DOUBLE


def test_what_is_appended_behind_an_open_quote_is_settled_there() -> None:
    source = ("X", 7, 0, 0, kept(of("'")))
    [dep] = joined(Content(frozenset(), "grep '"), Content(frozenset({source}), "%s")).deps
    assert dep[4] & 1 << OUTSIDE


@given(st.text("ab'\"\\ $;%sc"), st.text("ab'\"\\ "))
def test_a_text_in_two_parts_leaves_the_shell_where_the_whole_does(first: str, second: str) -> None:
    assert after(after(START, first), second) == after(START, first + second)


@given(st.integers(0, ALL), st.integers(0, ALL), st.text("ab'\"\\%s "))
def test_to_lack_more_is_never_less_safe(lacks: int, more: int, template: str) -> None:
    assert not kept(lacks) & ~kept(lacks | more)
    assert not inside(kept(lacks), holes(template)) & ~inside(kept(lacks | more), holes(template))


def test_a_check_that_lets_a_newline_through_keeps_nothing_safe_outside_of_quotes() -> None:
    assert not quoting.kept(of(";|&`$")) >> quoting.OUTSIDE & 1
    assert quoting.kept(of(";|&`$\n")) == quoting.SAFE


def test_a_check_does_not_speak_of_bytes_that_were_computed_from_the_text() -> None:
    outside = 1 << quoting.OUTSIDE
    assert quoting.needed(outside, quoting.SAFE) == 0
    changed = quoting.needed(outside, quoting.CHANGED)
    assert quoting.needed(changed, quoting.SAFE) == changed
    assert quoting.needed(outside, quoting.SAFE | quoting.CHANGED) == 0  # looked at when they had been computed
    assert quoting.inside(quoting.CHANGED, [quoting.START]) == quoting.CHANGED
    assert quoting.reached(changed, "ping '%s'") & quoting.CHANGED


def test_a_text_passes_when_the_shell_acts_on_none_of_its_bytes() -> None:
    assert quoting.passed(SINGLE, b"a'\\''b") == SINGLE
    assert quoting.passed(SINGLE, b"$(x)") == SINGLE
    assert quoting.passed(SINGLE, b"\\';x") is None
    assert quoting.passed(DOUBLE, b'\\"\\$x;') == DOUBLE
    assert quoting.passed(DOUBLE, b"$x") is None
    assert quoting.passed(DOUBLE, b"a\\") == quoting.DOUBLE_ESCAPED
    assert quoting.passed(OUTSIDE, b"a\\;b") == OUTSIDE
    assert quoting.passed(OUTSIDE, b"a;b") is None
