"""Commands that are looked for: which run is one, and what a shell makes of the texts in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program import quoting
from customhouse.firmware.program.rehearsal.goals import Goal, acts, place_in
from customhouse.firmware.program.rehearsal.world import Ran


def ran(*arguments: bytes, name: str = "system", site: int = 0x10) -> Ran:
    return Ran(name, site, arguments, 0)


@pytest.mark.parametrize(
    ("template", "command", "texts"),
    [
        ("ping -c 1 %s", b"ping -c 1 host", [b"host"]),
        ("ping -c %d %s > /tmp/o", b"ping -c 12 a b > /tmp/o", [b"a b"]),
        ("x %s %s", b"x a b", [b"a", b"b"]),
        ("echo '%s'", b"echo 'a'", [b"a"]),
        ("date -s %02d:%02d %s", b"date -s 07:31 x\n", [b"x"]),
        ("chmod 0555 %s", b"chmod 0777 %s", [b"%s"]),  # one of several templates that differ in a number
        ("%s", b"reboot\n", [b"reboot"]),
    ],
)
def test_the_texts_in_a_command(template: str, command: bytes, texts: list[bytes]) -> None:
    goal = Goal("system", 0x10, template)
    assert goal.command(ran(command)) == command
    assert goal.is_whole(command)
    assert [one.text for one in goal.texts(command)] == texts


def test_the_command_of_a_shell_is_its_last_argument() -> None:
    goal = Goal("execl", 0x10, "ls %s")
    assert goal.command(ran(b"/bin/sh", b"sh", b"-c", b"ls a", name="execl")) == b"ls a"


def test_another_function_and_another_form_at_another_place_are_not_meant() -> None:
    goal = Goal("popen", 0x10, "ls %s")
    assert goal.command(ran(b"ls a")) is None
    assert goal.command(ran(b"rm a", name="popen", site=0x20)) is None
    other = goal.command(ran(b"rm a", name="popen"))
    assert other == b"rm a"
    assert not goal.is_whole(other)


@pytest.mark.parametrize(
    ("template", "text", "does"),
    [
        ("ls %s", b"a;b", True),
        ("ls %s", b"a b", False),
        ("ls '%s'", b"a;b", False),
        ("ls '%s'", b"a'b", True),
        ('ls "%s"', b"a;b", False),
        ('ls "%s"', b"$(a)", True),
        ('ls "%s"', b"\\$a", False),
        ("ls %s", b"'a;b'", False),
        ("ls %s", b"'a", True),
        ("ls %s", b"a\nb", True),
        ("ls %s", b"a\n", False),  # the end of the line is the end of the command
    ],
)
def test_whether_a_shell_acts_on_a_text(template: str, text: bytes, does: bool) -> None:
    (found,) = Goal("system", 0, template).texts(template.encode().replace(b"%s", text))
    assert acts(found) is does


def test_the_place_behind_a_beginning() -> None:
    assert place_in(b"ls 'a", 5) == quoting.SINGLE
    assert place_in(b'ls "a" b', 7) == quoting.OUTSIDE


@given(st.text(max_size=30), st.binary(max_size=60))
def test_nothing_goes_wrong_with_any_template_and_command(template: str, command: bytes) -> None:
    goal = Goal("system", 0, template)
    for text in goal.texts(command):
        assert command[text.at : text.at + len(text.text)] == text.text
        assert acts(text) in (True, False)
