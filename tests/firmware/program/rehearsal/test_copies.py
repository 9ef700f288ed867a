"""Copies that a run made: which functions were alive then, what was written where, and whether it is too much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.rehearsal.copies import Copy, Frame, Functions, Stored, alive, enter
from customhouse.firmware.program.rehearsal.genomes import Genome
from customhouse.firmware.program.rehearsal.noting import Noting
from customhouse.firmware.program.rehearsal.overruns import Overrun, Seen, led_astray
from customhouse.firmware.program.rehearsal.trace import Trace

MAIN, TAKE, FILL, STRCPY = 0x1000, 0x1100, 0x1200, 0xF800
STACK = 0x7000
NOTHING = Trace(frozenset(), (), (), (), frozenset(), "idle", 0)
OUTSIDE, ROOT, TAKEN = Frame(0x9000, 0xF000, 0), Frame(0x8000, MAIN, 0x10), Frame(0x7800, TAKE, MAIN + 0x20)
FILLED = Frame(0x7400, FILL, TAKE + 0x30)


def known(*functions: int) -> Functions:
    made = Functions()
    for one in functions:
        made.add(one)
    return made


def copied(
    target: int = STACK + 16,
    size: int = 8,
    *,
    name: str = "strcpy",
    site: int = 0x1234,
    stack: int = STACK,
    called: int = 0,
    data: bytes | None = None,
    chain: tuple[int, ...] = (),
    is_over: bool = False,
    limited: bool = False,
) -> Copy:
    data = b"k" * size if data is None else data
    return Copy(name, site, called, stack, target, target + len(data), data, chain, is_over, limited)


# -- functions and their frames
def test_a_place_lies_in_the_function_that_begins_last_before_it() -> None:
    functions = known(FILL, MAIN, TAKE, MAIN)
    assert [functions.around(one) for one in (MAIN - 1, MAIN, TAKE - 1, TAKE, FILL + 99)] == [
        -1,
        MAIN,
        MAIN,
        TAKE,
        FILL,
    ]
    assert known().around(MAIN) == -1


@given(st.lists(st.integers(0, 99)), st.integers(0, 99))
def test_no_other_beginning_lies_between_a_place_and_that_of_its_function(places: list[int], site: int) -> None:
    assert known(*places).around(site) == max((one for one in places if one <= site), default=-1)


def test_a_new_frame_ends_those_below_it() -> None:
    frames = [ROOT, TAKEN, FILLED]
    enter(frames, Frame(0x7600, STRCPY, TAKE + 0x40))
    assert frames == [ROOT, TAKEN, Frame(0x7600, STRCPY, TAKE + 0x40)]
    enter(frames, Frame(0x7600, FILL, TAKE + 0x44))
    assert frames == [ROOT, TAKEN, Frame(0x7600, FILL, TAKE + 0x44)]
    enter(frames, Frame(0x7000, STRCPY, FILL + 4))
    assert len(frames) == 4


def test_functions_that_called_one_another_are_alive() -> None:
    call = Frame(0x7000, STRCPY, FILL + 0x10)
    functions = known(MAIN, TAKE, FILL)
    assert alive([ROOT, TAKEN, FILLED, call], functions, FILL + 0x10) == [FILLED, TAKEN, ROOT]


def test_a_function_that_was_left_is_not_alive() -> None:
    """The stack pointer went further down behind it, so that no new frame ended the one that it had."""
    functions = known(MAIN, TAKE, FILL)
    call = Frame(0x7000, STRCPY, TAKE + 0x50)
    assert alive([ROOT, TAKEN, FILLED, call], functions, TAKE + 0x50) == [TAKEN, ROOT]
    left = Frame(0x7C00, FILL, MAIN + 0x10)
    assert alive([ROOT, left, TAKEN, call], functions, TAKE + 0x50) == [TAKEN, ROOT]


def test_a_function_that_another_one_led_on_to_has_that_ones_frame() -> None:
    functions = known(MAIN, TAKE, FILL)
    assert alive([ROOT, TAKEN], functions, FILL + 0x10) == [TAKEN, ROOT]
    assert alive([ROOT, TAKEN, Frame(0x7000, STRCPY, FILL + 0x10)], functions, FILL + 0x10) == [TAKEN, ROOT]


def test_a_function_that_calls_itself_is_alive_as_often() -> None:
    functions = known(MAIN, TAKE)
    deeper, deepest = Frame(0x7400, TAKE, TAKE + 0x30), Frame(0x7000, TAKE, TAKE + 0x30)
    frames = [ROOT, TAKEN, deeper, deepest]
    assert alive(frames, functions, TAKE + 0x40) == [deepest, deeper, TAKEN, ROOT]
    assert alive(frames, functions, TAKE + 0x30) == [deepest, deeper, TAKEN, ROOT]


def test_frames_that_are_asked_for_stay_as_they_are() -> None:
    frames = [OUTSIDE, ROOT, TAKEN, FILLED]
    alive(frames, known(MAIN, TAKE, FILL), TAKE + 0x50)
    assert frames == [OUTSIDE, ROOT, TAKEN, FILLED]


def test_without_frames_nothing_is_alive() -> None:
    assert alive([], known(MAIN), MAIN + 4) == []


# -- memory
def test_what_is_written_to_some_parts_of_memory_is_told() -> None:
    ram = Noting(Image("x86_64", False, 8, 0))
    ram.reserve(0x10000, 0x4000)
    ram.note(0x11000, 0x1000)
    ram.note(0x13000, 0x100)
    told = ((0x11000, b"at the beginning"), (0x11FFE, b"past the end"), (0x13080, b"second"))
    others = ((0x10FF0, b"before it"), (0x13100, b"behind it"), (0x11020, b"k"), (0x11030, b""))
    for at, data in (*others, *told):
        ram.write(at, data)
    assert ram.noted == list(told)
    for at, data in (*others, *told):
        assert ram.read(at, len(data)) == data


def test_what_an_instruction_stored_is_a_copy_without_a_name() -> None:
    made = Stored(0x1234, STACK, STACK + 16, bytearray(b"seven77"), (1, 2)).copy()
    assert made == copied(name="", data=b"seven77", chain=(1, 2))


# -- copies that are looked for
def matched(overrun: Overrun, *copies: Copy, functions: Functions | None = None) -> list[Copy]:
    return list(overrun.copies(NOTHING._replace(copied=copies), functions or known()))


def test_a_copy_is_known_by_its_function_and_its_place() -> None:
    mine, loop = copied(), copied(name="")
    others = (copied(name="strcat"), copied(site=0x1238), copied(limited=True), copied(name="", site=0x1238))
    assert matched(Overrun("__strcpy_chk", 0x1234, 32), *others, mine, loop) == [mine, loop]


def test_a_copy_of_a_function_that_leads_on_to_the_library_is_the_functions() -> None:
    through = copied(site=TAKE + 0x30, called=FILL)
    overrun = Overrun("strcpy", FILL + 0x10, 32)
    assert matched(overrun, through, functions=known(MAIN, TAKE, FILL)) == [through]
    assert matched(overrun, through._replace(called=TAKE), functions=known(MAIN, TAKE, FILL)) == []


def test_a_copy_on_another_way_is_another_one() -> None:
    overrun = Overrun("strcpy", 0x1234, 32, calls=frozenset((TAKE + 0x30, MAIN + 0x20)))
    functions = known(MAIN, TAKE, FILL)
    functions.sites.update((TAKE + 0x30, TAKE + 0x60, MAIN + 0x20))
    mine = copied(chain=(TAKE + 0x30, MAIN + 0x20, 0))
    other = copied(chain=(TAKE + 0x60, MAIN + 0x20, 0))
    assert matched(overrun, mine, other, functions=functions) == [mine]
    functions.sites.discard(MAIN + 0x20)  # the way there leads through a jump
    jumped = copied(chain=(TAKE + 0x30, 0x5555))
    assert matched(overrun, jumped, other, functions=functions) == [jumped]


def test_pieces_of_a_buffer_fill_it_together() -> None:
    overrun = Overrun("memcpy", 0x1234, 32)
    assert overrun.reach([copied(STACK + 16, 8)]) == 8
    assert overrun.reach([copied(STACK + 32, 12)]) == 28
    assert overrun.reach([copied(STACK + 16, 20), copied(STACK + 16, 5)]) == 20


def test_a_lower_beginning_is_that_of_the_whole_buffer() -> None:
    overrun = Overrun("memcpy", 0x1234, 32)
    assert overrun.reach([copied(STACK + 24, 10)]) == 10
    assert overrun.reach([copied(STACK + 16, 10)]) == 10
    assert overrun.reach([copied(STACK + 24, 10)]) == 18


def test_a_buffer_right_behind_another_one_is_another() -> None:
    overrun = Overrun("memcpy", 0x1234, 32)
    first, second = copied(STACK + 16, 30), copied(STACK + 48, 30)
    assert not any(overrun.passes([one]) for one in (second, first, second, first))
    assert overrun.passes([copied(STACK + 16, 33)])


def test_buffers_of_other_depths_are_others() -> None:
    overrun = Overrun("memcpy", 0x1234, 32)
    overrun.reach([copied(STACK + 16, 8)])
    assert overrun.reach([copied(STACK + 32, 12, stack=STACK + 8)]) == 12
    assert Overrun("memcpy", 0x1234, None).reach([copied(STACK + 16, 8), copied(STACK + 20, 9)]) == 9


@pytest.mark.parametrize(("size", "room", "passes"), [(32, 32, False), (33, 32, True), (4000, None, False)])
def test_a_copy_passes_its_buffer_where_that_is_known(size: int, room: int | None, passes: bool) -> None:
    assert Overrun("strcpy", 0x1234, room).passes([copied(size=size)]) is passes


def test_a_copy_that_passes_a_frame_passes_any_buffer() -> None:
    assert Overrun("strcpy", 0x1234, None).passes([copied(), copied(is_over=True)])
    assert not Overrun("strcpy", 0x1234, None).passes([])


def test_what_lies_in_no_frame_is_not_measured_by_the_room_of_a_buffer() -> None:
    """An allocation at the same place of the program may have another size."""
    assert not Overrun("strcpy", 0x1234, 32).passes([copied(0x50000000, 500)])


# -- addresses that were sent
@pytest.mark.parametrize(
    ("address", "sent", "block"),
    [
        (0x6B6A6876, b"name vhjk", 0x1210),  # little
        (0x76686A6B, b"name vhjk", 0x1210),  # big
        (0x6B6A6876, b"name whjk", 0x1210),  # a function of Thumb
        (0x6B6A6876, b"name jhkv", None),
        (0x6A6876, b"name vhj", None),  # by chance
        (0x6B6A6876, b"name vhj", None),
    ],
)
def test_a_run_that_goes_back_to_what_was_sent_was_led_astray(address: int, sent: bytes, block: int | None) -> None:
    ways = frozenset(((0x1000, 0x1210), (0x1210, address)))
    trace = NOTHING._replace(ways=ways, ended=f"fault: no code at {address:#x}")
    assert led_astray(Genome((b"other", sent)), trace, 4) == block


@pytest.mark.parametrize("ended", ["idle", "fault: no memory at 0x6b6a6876", "limit"])
def test_a_run_that_ends_otherwise_was_not_led_astray(ended: str) -> None:
    trace = NOTHING._replace(ways=frozenset(((0x1210, 0x6B6A6876),)), ended=ended)
    assert led_astray(Genome((b"name vhjk",)), trace, 4) is None


# -- copies that nobody traced
def seen(*told: tuple[Genome, Trace], plays: dict[bytes, bytes] | None = None) -> Seen:
    """What was found in runs. `plays` says which bytes a run copies past an end when a message is sent."""

    def play(genome: Genome) -> Trace:
        data = (plays or {}).get(genome.messages[0], b"")
        return NOTHING._replace(copied=(copied(data=data, is_over=True),) if data else ())

    made = Seen(known(), 4, play)
    for genome, trace in told:
        assert made.told(genome, trace)
    return made


def over(data: bytes) -> Trace:
    return NOTHING._replace(copied=(copied(data=data, is_over=True),))


def test_a_copy_past_an_end_of_bytes_that_were_sent_is_found() -> None:
    trace = over(b"name=vbhjwkqz\0\0")
    assert seen((Genome((b"vbhjwkqz",)), trace)).found == {("strcpy", 0x1234): trace}


def test_a_copy_that_passes_no_end_is_not_found() -> None:
    assert seen((Genome((b"vbhjwkqz",)), NOTHING._replace(copied=(copied(data=b"vbhjwkqz"),)))).found == {}


def test_bytes_past_an_end_that_nobody_sent_are_not_found() -> None:
    same = {bytes((one,)): b"constant text" for one in range(256)}
    assert seen((Genome((b"vbhjwkqz",)), over(b"constant text")), plays=same).found == {}


def test_bytes_past_an_end_that_change_with_what_is_sent_are_found() -> None:
    """They were sent in a code."""
    genome, trace = Genome((b"6e626b6a",)), over(b"nbkj")
    assert seen((genome, trace), plays={b"6e626k6a": b"nb.j"}).found == {("strcpy", 0x1234): trace}
    assert seen((genome, trace), plays={b"6e626k6a": b"nbkj"}).found == {}


def test_an_address_that_was_sent_is_found_as_a_return() -> None:
    astray = NOTHING._replace(
        ways=frozenset(((0x1210, 0x6B6A6876),)),
        ended="fault: no code at 0x6b6a6876",
    )
    genome = Genome((b"name vhjk vhjk",))
    assert seen((genome, astray)).found == {("return", 0x1210): astray}
    both = astray._replace(copied=over(b"vhjk vhjk").copied)
    assert seen((genome, both)).found == {("strcpy", 0x1234): both}


def test_the_first_run_of_each_copy_is_kept() -> None:
    genome = Genome((b"vbhjwkqz",))
    first, second = over(b"vbhjwkqz"), over(b"..vbhjwkqz")
    other = NOTHING._replace(copied=(copied(data=b"vbhjwkqz", site=0x1300, is_over=True),))
    made = seen((genome, first), (genome, second), (genome, other))
    assert made.found == {("strcpy", 0x1234): first, ("strcpy", 0x1300): other}
