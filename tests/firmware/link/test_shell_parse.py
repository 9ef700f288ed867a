"""Shell text becomes commands, whatever the text is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sitter import Parser

from customhouse.firmware.link import shell_parse
from customhouse.firmware.link.boot_extra import crontab
from customhouse.firmware.link.boot_inittab import entries
from customhouse.firmware.link.boot_systemd import unit
from customhouse.firmware.link.files import files_of
from customhouse.firmware.link.mounts import fstab, mtd_partitions
from customhouse.firmware.link.shell_commands import simple_command
from customhouse.firmware.link.shell_parse import parse
from customhouse.firmware.link.shell_run import Machine
from customhouse.firmware.link.shell_state import Budget, Frame, State
from customhouse.firmware.link.shell_syntax import Simple
from customhouse.firmware.link.uci import sections
from customhouse.model import FileTree

PIECES = r"""if then fi for in do done case esac while until { } ( ) $( ` " ' && || | & ; ;; $x ${x:-y} ${x%%*}
[ ] a -p 1 x=1 f() f <<E E ! eval . set $@ exit return break cat /etc/x mount cp local shift su -c
start-stop-daemon -S -x sh \\"""
WORDS = st.sampled_from([*PIECES.split(), "\n"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(WORDS, max_size=60).map(" ".join)
    | st.text(max_size=300)
    | st.binary(max_size=300).map(lambda b: b.decode("utf-8", "surrogateescape"))
)
def test_any_text_is_parsed_and_followed_to_an_end(text):
    machine = Machine(files_of(FileTree(), {}), simple_command, Budget(steps=3000))
    machine.run(machine.script("/x", text).body, State(), Frame(script="/x"))
    assert machine.depth == 0


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_by_the_small_formats(text):
    for read in (entries, sections, fstab, mtd_partitions):
        assert len(read(text)) >= 0
    assert unit("/x", text).path == "/x"
    assert all(offset >= 0 for _, _, _, offset in crontab(text, has_user=False))


@pytest.mark.parametrize(
    "text", ["(" * 3000, "if x; then " * 2000, "$(" * 2000, "{ " * 2000 + "} " * 2000, "a && " * 5000 + "b"]
)
def test_deep_nesting_ends(text):
    machine = Machine(files_of(FileTree(), {}), simple_command, Budget(steps=3000))
    machine.run(machine.script("/x", text).body, State(), Frame())
    assert machine.depth == 0


def test_damage_is_named_and_the_rest_is_read():
    script = parse("telnetd &\nif then fi (\nhttpd &\n")
    assert script.damage
    assert any(isinstance(one, Simple) and one.source == "telnetd" for one in script.body.commands)


def test_a_test_keeps_its_words():
    [command] = parse('[ ! -f "$x" -o "a b" = c ]').body.commands
    assert isinstance(command, Simple)
    assert [word.source for word in command.words] == ["[", "!", "-f", '"$x"', "-o", '"a b"', "=", "c", "]"]


def test_words_of_other_alphabets_are_read_as_they_are_and_the_grammar_sees_ascii_alone(monkeypatch):
    """Large code points made the grammar's scanner read outside a table, which now and then ended the whole process."""
    seen = []

    class Watched:
        def __init__(self, language):
            self._parser = Parser(language)

        def parse(self, data):
            seen.append(data)
            return self._parser.parse(data)

    monkeypatch.setattr(shell_parse, "Parser", Watched)
    script = parse("телнетд -l /bin/sh $\U0010ffff{\U000f6f32 'größe' \udcff\n")
    assert all(data.isascii() for data in seen)
    first = script.body.commands[0]
    words = first.words if isinstance(first, Simple) else ()
    assert words[0] == parse("телнетд").body.commands[0].words[0]
    assert "телнетд" in repr(words[0])
