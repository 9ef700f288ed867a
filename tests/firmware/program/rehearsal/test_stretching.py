"""What was copied is made longer: by more letters, by larger numbers before it, by more of the same."""

from collections.abc import Callable

import pytest

from customhouse.firmware.program.rehearsal.copies import Copy, Functions
from customhouse.firmware.program.rehearsal.genomes import Genome
from customhouse.firmware.program.rehearsal.longer import longer
from customhouse.firmware.program.rehearsal.overruns import Overrun
from customhouse.firmware.program.rehearsal.probing import Shown
from customhouse.firmware.program.rehearsal.stretching import Stretch
from customhouse.firmware.program.rehearsal.trace import Trace

SITE, STACK, ROOM = 0x1234, 0x7000, 40
NOTHING = Trace(frozenset(), (), (), (), frozenset(), "idle", 0)


def copied(data: bytes, site: int = SITE, name: str = "strcpy") -> Copy:
    target = STACK + 16
    return Copy(name, site, 0, STACK, target, target + len(data), data, (), False)


class Program:
    """Copies something of each message into a buffer: `copies` says what, None where it copies nothing. There is time
    for so many runs at `most`.
    """

    def __init__(
        self,
        copies: Callable[[bytes], bytes | None],
        *,
        name: str = "strcpy",
        room: int | None = ROOM,
        ended: Callable[[Genome], str] = lambda _: "idle",
        most: int = 100_000,
    ) -> None:
        self.copies, self.name, self.ended = copies, name, ended
        self.runs = 0
        goal = Overrun(name, SITE, room)
        self.stretch = Stretch(goal, Functions(), 4, self.play, b"", lambda: self.runs >= most)

    def play(self, genome: Genome) -> tuple[Genome, Trace]:
        self.runs += 1
        return genome, self.trace(genome)

    def trace(self, genome: Genome) -> Trace:
        made = [data for one in genome.messages if (data := self.copies(one)) is not None]
        return NOTHING._replace(copied=tuple(copied(one, name=self.name) for one in made), ended=self.ended(genome))

    def shown(self, message: bytes) -> Shown:
        genome = Genome((message,))
        assert self.stretch.can_grow(genome, [*self.trace(genome).copied])
        return self.stretch.shown(genome, [*self.trace(genome).copied])

    @property
    def longest(self) -> bytes:
        """The message that passed the end."""
        assert self.stretch.passed is not None
        return self.stretch.passed[0].messages[0]


def named(message: bytes) -> bytes | None:
    """The text behind a word, with what ends it."""
    return message[5:] + b"\0" if message.startswith(b"name ") else None


def up_to(most: int) -> Callable[[bytes], bytes | None]:
    return lambda message: named(message) if len(message) <= 5 + most else None


# -- texts
def test_a_text_of_any_length_passes_the_end() -> None:
    program = Program(named)
    assert program.shown(b"name jxvbp") is Shown.THROUGH
    assert program.longest.startswith(b"name jxvbp")


@pytest.mark.parametrize(("most", "shown"), [(ROOM - 1, Shown.KEPT_OUT), (ROOM, Shown.THROUGH), (9, Shown.KEPT_OUT)])
def test_a_limit_is_found_to_the_byte(most: int, shown: Shown) -> None:
    program = Program(up_to(most))
    assert program.shown(b"name jxvbp") is shown
    assert program.stretch.most == most + 1


def test_a_text_that_does_not_grow_shows_nothing() -> None:
    assert Program(lambda message: message[5:10] + b"\0").shown(b"name jxvbp") is Shown.UNCLEAR


def test_what_is_kept_out_of_a_buffer_of_unknown_size_is_not_known() -> None:
    assert Program(up_to(ROOM - 1), room=None).shown(b"name jxvbp") is Shown.UNCLEAR


def test_a_large_buffer_may_hold_all_that_is_sent() -> None:
    assert Program(up_to(2999), room=3000).shown(b"name jxvbp") is Shown.KEPT_OUT
    assert Program(up_to(3999), room=4000).shown(b"name jxvbp") is Shown.UNCLEAR


def test_a_run_that_breaks_off_keeps_nothing_out() -> None:
    breaks = Program(up_to(ROOM - 1), ended=lambda one: "idle" if len(one.messages[0]) < 45 else "x has no answer")
    assert breaks.shown(b"name jxvbp") is Shown.UNCLEAR


def test_many_sessions_may_take_too_long() -> None:
    """Nothing was asked for that a buffer could not hold."""
    cut = Program(up_to(ROOM - 1), ended=lambda one: "limit" if len(one.messages) > 4 else "idle")
    assert cut.shown(b"name jxvbp") is Shown.KEPT_OUT
    long = Program(up_to(ROOM - 1), ended=lambda one: "limit" if len(one.messages[0]) > 400 else "idle")
    assert long.shown(b"name jxvbp") is Shown.UNCLEAR


def test_nothing_is_kept_out_when_time_is_over() -> None:
    whole = Program(up_to(ROOM - 1))
    assert whole.shown(b"name jxvbp") is Shown.KEPT_OUT
    for most in (0, whole.runs // 2, whole.runs - 1):
        short = Program(up_to(ROOM - 1), most=most)
        assert short.shown(b"name jxvbp") is Shown.UNCLEAR
        assert short.runs == most


class Astray(Program):
    """Goes where the bytes behind its buffer say."""

    def trace(self, genome: Genome) -> Trace:
        trace, address = super().trace(genome), genome.messages[0][45:49]
        if len(address) < 4:
            return trace
        target = int.from_bytes(address, "little")
        return trace._replace(ways=frozenset(((1, target),)), ended=f"fault: no code at {target:#x}")


def test_an_address_that_was_sent_and_led_astray_passes_the_end() -> None:
    program = Astray(up_to(ROOM - 1))
    assert program.shown(b"name jxvbp") is Shown.THROUGH
    assert len(program.longest) > 48


def test_letters_that_are_written_as_several_pass_a_check_of_what_was_sent() -> None:
    def escaped(message: bytes) -> bytes | None:
        text = up_to(ROOM - 1)(message)
        return None if text is None else text.replace(b"&", b"&amp;")

    program = Program(escaped)
    assert program.shown(b"name jxvbp") is Shown.THROUGH
    assert b"&" in program.longest


def test_a_text_beside_the_one_that_was_found_is_made_longer_as_well() -> None:
    """What stands before it was turned round, so that it is not seen where it comes from."""

    def pair(message: bytes) -> bytes | None:
        name, mark, value = message.partition(b"=")
        return name[::-1] + mark + value + b"\0" if len(name) < 25 and mark and len(value) < 30 else None

    program = Program(pair)
    assert program.shown(b"name=jxvbp") is Shown.THROUGH
    assert program.longest.index(b"=") > 10


def test_what_comes_last_is_made_longer_where_the_text_that_was_found_must_stay() -> None:
    def turned(message: bytes) -> bytes | None:
        head, mark, rest = message.partition(b";")
        return head[5:] + b"=" + rest[::-1] + b"\0" if mark and len(head) == 10 else None

    assert Program(turned).shown(b"name jxvbp;kw") is Shown.THROUGH


def test_digits_are_made_longer_by_digits() -> None:
    program = Program(lambda message: named(message) if message[5:].isdigit() else None)
    assert program.shown(b"name 4711") is Shown.THROUGH
    assert program.longest[5:].isdigit()


# -- more of the same
@pytest.mark.parametrize("mark", [b"&", b";", b",", b"|", b" ", b"\n"])
def test_parts_of_which_each_is_short_enough_are_too_many(mark: bytes) -> None:
    def joined(message: bytes) -> bytes:
        return b"".join(one for one in message.split(mark) if len(one) < 9) + b"\0"

    program = Program(joined)
    assert program.shown(b"first" + mark + b"jxvbp" + mark + b"end") is Shown.THROUGH
    assert program.longest.count(mark) > 4


class Gathering(Program):
    """Puts what it takes of each message behind what it has."""

    def trace(self, genome: Genome) -> Trace:
        trace = super().trace(genome)
        return trace._replace(copied=(copied(b"".join(one.data for one in trace.copied)),))


def test_messages_of_which_each_is_short_enough_are_too_many() -> None:
    program = Gathering(lambda message: message[5:13])
    assert program.shown(b"name jxvbp") is Shown.THROUGH
    assert program.stretch.passed is not None
    assert len(program.stretch.passed[0].messages) > 4


# -- numbers
def counted(size: Callable[[bytes], int], is_fine: Callable[[bytes], bool]) -> Callable[[bytes], bytes | None]:
    """As many bytes behind a head of six as a number says."""
    return lambda message: message[6 : 6 + size(message)] if len(message) > 6 and is_fine(message) else None


def first(message: bytes) -> int:
    return message[5]


def both(message: bytes) -> int:
    return message[4] << 8 | message[5]


@pytest.mark.parametrize(
    ("size", "is_fine", "shown"),
    [
        (first, lambda message: len(message) >= 6 + message[5], Shown.THROUGH),
        (first, lambda message: len(message) >= 6 + message[5] <= 6 + ROOM + 1, Shown.THROUGH),
        (first, lambda message: len(message) >= 6 + message[5] <= 6 + ROOM, Shown.KEPT_OUT),
        (first, lambda message: len(message) == 6 + message[5], Shown.THROUGH),
        (both, lambda message: len(message) == 6 + both(message), Shown.THROUGH),
        (both, lambda message: len(message) == 6 + both(message) <= 6 + ROOM, Shown.KEPT_OUT),
        (first, lambda message: message[5] <= ROOM or message[5] > 0x7F, Shown.THROUGH),  # a signed one
    ],
)
def test_a_number_that_says_how_much_is_copied(
    size: Callable[[bytes], int], is_fine: Callable[[bytes], bool], shown: Shown
) -> None:
    program = Program(counted(size, is_fine), name="memcpy")
    assert program.shown(b"data\0\5jxvbp") is shown
    if shown is Shown.THROUGH:
        assert ROOM < size(program.longest) <= len(program.longest) - 6
    else:
        assert program.stretch.most == ROOM


@pytest.mark.parametrize(("most", "shown"), [(ROOM, Shown.KEPT_OUT), (ROOM + 1, Shown.THROUGH)])
def test_a_number_alone_says_how_much_is_copied(most: int, shown: Shown) -> None:
    """Of what is heard later."""
    program = Program(
        lambda message: bytes(message[5]) if len(message) == 6 and message[5] <= most else None, name="read"
    )
    assert program.shown(b"data\0\5") is shown


def test_a_number_in_the_order_of_small_machines_grows_with_its_text() -> None:
    def size(message: bytes) -> int:
        return int.from_bytes(message[2:6], "little")

    program = Program(counted(size, lambda message: len(message) == 6 + size(message)))
    assert program.shown(b"da\5\0\0\0jxvbp") is Shown.THROUGH
    assert size(program.longest) > ROOM


@pytest.mark.parametrize(("most", "shown"), [(ROOM, Shown.KEPT_OUT), (ROOM + 1, Shown.THROUGH)])
def test_what_is_heard_grows_with_the_message_whatever_becomes_of_it(most: int, shown: Shown) -> None:
    def turned(message: bytes) -> bytes:
        return bytes(one ^ 0x80 for one in message[:most])

    assert Program(turned, name="recv").shown(b"jxvbp") is shown


def test_only_what_was_sent_or_heard_can_grow() -> None:
    genome, copies = Genome((b"name jxvbp",)), [copied(b"version 2\0")]
    assert not Program(named).stretch.can_grow(genome, copies)
    assert Program(named, name="recv").stretch.can_grow(genome, copies)
    assert Program(named).stretch.can_grow(genome, [*copies, copied(b"jxvbp\0")])


# -- neighbours that copy more
def neighbours(message: bytes, *copies: Copy, constants: bytes = b"") -> list[bytes]:
    trace = NOTHING._replace(copied=copies)
    return [one.messages[0] for one in longer(Genome((message,)), trace, constants)]


def test_a_text_that_was_copied_gets_more_letters() -> None:
    found = neighbours(b"name jxvbp\n", copied(b"jxvbp\0"))
    grown = [one for one in found if one.startswith(b"name jxvbp") and one.endswith(b"\n") and one.count(b"\n") == 1]
    assert {len(one) - len(b"name jxvbp\n") for one in grown} >= {64, 272, 1100}


def test_what_was_copied_last_grows_first() -> None:
    one, two = copied(b"kwmqz\0"), copied(b"jxvbp\0", site=0x1300)
    assert neighbours(b"kwmqz,jxvbp;", one, two)[0].startswith(b"kwmqz,jxvbpvb")
    assert neighbours(b"kwmqz,jxvbp;", two, one)[0].startswith(b"kwmqzvb")


@pytest.mark.parametrize(
    ("order", "width", "head", "behind"),
    [("big", 1, b"\5", 0), ("big", 2, b"\0\5", 0), ("little", 2, b"\5\0", 0), ("little", 4, b"\5\0\0\0", 1)],
)
def test_the_number_before_a_text_grows_with_it(order: str, width: int, head: bytes, behind: int) -> None:
    found = neighbours(b"k" + head + b"z" * behind + b"jxvbp..", copied(b"jxvbp\0"))
    sizes = [
        len(one) - len(b"k..") - len(head) - behind
        for one in found
        if int.from_bytes(one[1 : 1 + width], order) == len(one) - len(b"k..") - len(head) - behind  # type: ignore[arg-type]
    ]
    assert set(sizes) >= ({69} if width == 1 else {69, 277, 1105})


def test_the_number_of_bytes_that_were_copied_grows_as_well() -> None:
    """The text is a part of them."""
    found = neighbours(b"k\x09jxvbp..", copied(b"<<jxvbp>>"))
    assert any(one[1] == 9 + 64 and len(one) == 9 + 64 for one in found)


def test_parts_come_again_and_again() -> None:
    found = neighbours(b"a=kwmqz&b=jxvbp")
    assert b"a=kwmqz&b=jxvbp" + b"&b=jxvbp" * 12 in found
    assert b"a=kwmqz&" * 61 + b"b=jxvbp" in found


def test_parts_that_nothing_ends_do_not_come_again() -> None:
    assert all(one.count(b"kwmqz") == 1 for one in neighbours(b"kwmqz"))


def test_parts_get_more_letters_whoever_copies_them() -> None:
    found = neighbours(b"a=kwmqz&b=jxvbp")
    assert any(one.startswith(b"a=kwmqzvb") and one.endswith(b"&b=jxvbp") for one in found)


def test_what_was_not_sent_does_not_grow() -> None:
    plain = neighbours(b"name jxvbp\n")
    assert neighbours(b"name jxvbp\n", copied(b"version 2\0")) == plain
    assert neighbours(b"name jxvbp\n", copied(b"jx\0")) == plain
    part = copied(b"the second version of jxvbp\0")
    assert neighbours(b"name jxvbp\n", part, constants=b"of jxvbp ") == plain
    assert neighbours(b"name jxvbp\n", part) != plain
