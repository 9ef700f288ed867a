"""The traps of versions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.knowledge.versions import distribution_order, is_version, sides, sort_key, upstream, within
from customhouse.model import VersionRange


@pytest.mark.parametrize(
    "ascending",
    [
        ["1.0.2-beta1", "1.0.2", "1.0.2a", "1.0.2k", "1.0.2z", "1.0.2za", "1.0.2zb", "1.1.0", "1.1.1"],
        ["0.9.8zh", "1.0.0", "1.0.0k", "1.0.1"],
        ["1.00-pre8", "1.00-rc1", "1.00", "1.01", "1.1.1"],
        ["6.0~rc1", "6.0", "6.0.1"],
        ["0.94.14rc21", "0.94.14"],
        ["4.35", r"4.35\(abps.3\)c0", r"5.21\(aazf.7\)c0", r"5.21\(aazf.10\)c0"],
        [r"15.03.05.18\(6318\)_cn", r"15.03.05.19\(6318\)_cn"],
        ["2.820.0000000.5.r.210705", "2.820.0000000.6.r.210705"],
        ["230101", "241108"],
        ["3.4.14", "3.4.14b", "3.4.15"],
        ["0.52", "2012.54", "2012.55"],
        ["4.19.316", "4.19.*", "4.20"],
    ],
)
def test_versions_sort_as_their_projects_count(ascending):
    assert sorted(set(ascending), key=sort_key) == ascending


def test_trailing_zeros_say_nothing():
    assert sort_key("1.00") == sort_key("1.0.0") == sort_key("1")


@pytest.mark.parametrize(
    ("seen", "base", "revision"),
    [
        ("2.16.3-r1", "2.16.3", "r1"),
        ("2.28.3-1", "2.28.3", "1"),
        ("1:2.3-4", "2.3", "4"),
        ("7.58.0-2ubuntu3.8", "7.58.0", "2ubuntu3.8"),
        ("1.0.2k-fips", "1.0.2k", ""),
        ("2.16.0-dirty", "2.16.0", ""),
        ("0.15-20200726", "0.15", ""),
        ("v1.36.1", "1.36.1", ""),
        ("1.00-pre8", "1.00-pre8", ""),
    ],
)
def test_packaging_and_flavours_do_not_move_a_version(seen, base, revision):
    taken = upstream(seen)
    assert (taken.base, taken.revision) == (base, revision)


def test_a_packaging_revision_is_not_below_its_version():
    fixed = VersionRange(fixed="2.16.3")
    assert not within(upstream("2.16.3-r1").base, fixed)
    assert within(upstream("2.16.2-r9").base, fixed)


def test_a_snapshot_lies_on_both_sides_of_its_release():
    assert upstream("2.1-devel").snapshot
    before, after = sides("2.1-devel")
    assert sort_key("2.0") < sort_key(before) < sort_key(after) == sort_key("2.1")


def test_a_changed_tree_is_marked():
    assert upstream("2.16.0-dirty").modified
    assert not upstream("2.16.0").modified


@pytest.mark.parametrize("text", ["", "a87cb3e48ee8", "051c0bde9f04", "all versions", "unspecified", "-"])
def test_what_has_no_place_in_the_order_is_no_version(text):
    assert not is_version(text)


def test_distributions_have_orders_of_their_own():
    assert distribution_order("deb", "2.28.3-1", "2.28.3-1+deb12u1") == -1
    assert distribution_order("deb", "1:1.0-1", "2.0-1") == 1
    assert distribution_order("apk", "1.24.2-r2", "1.24.2-r12") == -1
    assert distribution_order("rpm", "2.28-225.el8_8.6", "2.28-225.el8") == 1
    assert distribution_order("nothing", "1", "2") is None
    assert distribution_order("deb", "not a version!!", "1") is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_two_texts_compare_and_any_text_is_taken_apart(left, right):
    one, other = sort_key(left), sort_key(right)
    assert (one < other) + (one == other) + (one > other) == 1
    assert isinstance(upstream(left).base, str)
    assert within(left, VersionRange(introduced=right)) in (True, False)
