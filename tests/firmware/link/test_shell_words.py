"""Values of words and truths of tests."""

import pytest

from customhouse.firmware.link.files import files_of
from customhouse.firmware.link.shell_commands import simple_command
from customhouse.firmware.link.shell_run import Machine
from customhouse.firmware.link.shell_state import Frame, State, Value
from customhouse.firmware.link.shell_text import expression


@pytest.fixture
def run(device):
    """Runs a text; gives the value of `x` and the last status."""
    device.file("/etc/conf", "name=cam\nport=80\n")
    device.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    device.file("/etc/empty", "")

    def made(text, arguments=()):
        machine = Machine(files_of(device.tree(), device.known), simple_command)
        state = State(arguments=tuple(Value(word) for word in arguments), name="/s")
        return machine.run(machine.script("/s", text).body, state, Frame(script="/s"))

    return made


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x=a", "a"),
        ("a=1; x=$a$a", "11"),
        ('a="b c"; x="$a"', "b c"),
        ("x=${none:-z}", "z"),
        ("a=q; x=${a:+w}", "w"),
        ("a=/etc/init.d/S50x; x=${a##*/}", "S50x"),
        ("a=/etc/init.d/S50x; x=${a%/*}", "/etc/init.d"),
        ("a=S50x; x=${a#S??}", "x"),
        ("a=abc; x=${#a}", "3"),
        ("x=$1-$2-$#", "one-two-2"),
        ("shift; x=$1", "two"),
        ("set -- p q; x=$2", "q"),
        ("x=$(echo hi)", "hi"),
        ("x=`basename /a/b.sh .sh`", "b"),
        ("x=$(cat /etc/conf | grep port | cut -d= -f2)", "80"),
        ("x=$(grep name /etc/conf)", "name=cam"),
        ("x=$(awk -F: '{print $6}' /etc/passwd)", "/root"),
        ("x=$(cat /etc/none)", ""),
        ("f() { local x=2; }; x=1; f", "1"),
        ("f() { x=2; }; x=1; f", "2"),
        ("x=1; (x=2)", "1"),
        ("for x in a b c; do :; done", "c"),
        ("for x in a b c; do [ $x = b ] && break; done", "b"),
        ("case abc in a*) x=1 ;; *) x=2 ;; esac", "1"),
        ("x=1; [ -f /etc/conf ] || x=2", "1"),
        ("eval 'x=7'", "7"),
    ],
)
def test_values_follow_from_constants_and_files(run, text, value):
    assert run(text, ("one", "two")).normal.variables["x"].text == value


@pytest.mark.parametrize(
    "text",
    ["x=$(nvram get a)", "x=$(date)", "x=$((1+2))", "read x", "[ -f /tmp/a ] && x=1; : $x", "x=$(cat /proc/cmdline)"],
)
def test_what_only_the_running_device_knows_is_unknown(run, text):
    value = run(text).normal.variables.get("x")
    assert value is None or not value.known


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("[ -f /etc/conf ]", True),
        ("[ -d /etc ]", True),
        ("[ -d /etc/conf ]", False),
        ("[ ! -e /etc/none ]", True),
        ("[ -s /etc/empty ]", False),
        ("[ a = a -a b != c ]", True),
        ("[ 3 -gt 2 ] && [ x != x ]", False),
        ("[[ abc == a* && -n x ]]", True),
        ("test -z ''", True),
        ("[ -f /tmp/x ]", None),
        ("[ -f /etc/conf -o -f /tmp/x ]", True),
        ("[ -f /etc/none -a -f /tmp/x ]", False),
        ("grep -q '^port=80$' /etc/conf", True),
        ("grep -q '^port=8[1-9]' /etc/conf", False),
        ("grep -q x /tmp/y", None),
        ("! true", False),
        ("unknown-program", None),
        ("mkdir -p /x", True),
    ],
)
def test_truths_follow_from_the_image_or_stay_open(run, text, truth):
    assert run(text).status.value is truth


@pytest.mark.parametrize(
    ("posix", "extended", "python"),
    [
        (r"^root:[!x]\?:", False, r"^root:[!x]?:"),
        ("a+b", False, r"a\+b"),
        ("a+b", True, "a+b"),
        (r"\(a\)*", False, None),
        ("x*y*z*", False, None),
    ],
)
def test_expressions_are_read_as_posix_means_them(posix, extended, python):
    assert expression(posix, extended=extended) == python
