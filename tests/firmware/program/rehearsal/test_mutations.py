"""What else is sent: told by what a run compared."""

from base64 import b64encode
from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.firmware.program.rehearsal.genomes import Genome, Repair
from customhouse.firmware.program.rehearsal.mutations import mutants, spliced
from customhouse.firmware.program.rehearsal.seeds import seeds
from customhouse.firmware.program.rehearsal.trace import Compared, Trace

NOTHING = Trace(frozenset(), (), (), (), frozenset(), "idle", 0)


def made(message: bytes, *compared: Compared, pairs: tuple[tuple[int, int, int, int], ...] = ()) -> set[bytes]:
    trace = NOTHING._replace(comparisons=compared, pairs=pairs)
    return {one.messages[0] for one in islice(mutants(Genome((message,)), trace, {}, []), 400)}


def test_a_word_takes_the_place_of_what_it_was_compared_with() -> None:
    assert b"set jxvbp" in made(b"kwmqz jxvbp", Compared(1, "text", b"kwmqz", b"set"))


def test_a_word_that_was_not_sent_leads_nowhere() -> None:
    assert b"set jxvbp" not in made(b"kwmqz jxvbp", Compared(1, "text", b"other", b"set"))


def test_what_was_looked_for_in_vain_is_put_in() -> None:
    assert any(one.startswith(b"kwmqz=") for one in made(b"kwmqz", Compared(1, "find", b"kwmqz", b"=")))


def test_a_number_takes_the_place_of_another_in_either_order_of_bytes() -> None:
    sent = made(b"\x12\x34abcd", pairs=((8, 0x1234, 0xCAFE, 4),))
    assert b"\xca\xfeabcd" in sent
    assert b"\xfe\xcaabcd" in made(b"\x34\x12abcd", pairs=((8, 0x1234, 0xCAFE, 4),))


def test_a_number_in_digits_is_written_anew() -> None:
    assert b"n=900" in made(b"n=7", Compared(1, "number", b"7", b"7"), pairs=((8, 7, 900, 4),))


def test_fields_that_were_looked_for_are_added_together() -> None:
    compared = [Compared(1, "text", b"kwmqz", name) for name in (b"mode", b"user")]
    assert any(b"&mode=" in one and b"&user=" in one for one in made(b"kwmqz=jxvbp", *compared))


def test_a_word_gets_the_length_that_was_asked_for() -> None:
    assert b"eui=0123456789abcdef" in made(b"eui=jxvbp", pairs=((8, 5, 16, 8),))


def test_a_text_that_a_template_takes_apart_stands_for_one_that_it_does_not() -> None:
    form = Compared(1, "form", b"kwmqz\r\nHost: a", b"GET /jxvbp")
    assert b"GET /jxvbp\r\nHost: a" in made(b"kwmqz\r\nHost: a", form)
    assert not any(b"GET" in one for one in made(b"other", form))


def test_where_no_text_was_left_for_a_template_one_is_added_at_either_end() -> None:
    sent = made(b"ab", Compared(1, "form", b"", b"n=7"))
    assert {b"n=7ab", b"abn=7"} <= sent


def test_a_coded_text_is_coded_anew() -> None:
    text = Compared(1, "text", b"jxvbp:kw", b"admin")
    assert b"auth " + b64encode(b"admin") + b"\n" in made(b"auth " + b64encode(b"jxvbp:kw") + b"\n", text)
    assert b"key=" + b"admin".hex().encode() + b";" in made(b"key=" + b"jxvbp:kw".hex().encode() + b";", text)
    upper = b"jxvbp:kw".hex().upper().encode()
    assert b"admin".hex().upper().encode() in made(upper, text)


def test_what_was_looked_for_in_a_coded_text_is_put_in_before_it_is_coded() -> None:
    sent = made(b64encode(b"kwmqz1"), Compared(1, "find", b"kwmqz1", b":"))
    assert {b64encode(b"kwmqz1:jxvbp"), b64encode(b"jxvbp:jxvbp")} <= sent


def test_a_text_that_was_sent_as_it_is_is_not_coded() -> None:
    text = Compared(1, "text", b"jxvbp", b"admin")
    assert b"kw " + b64encode(b"admin") in made(b"kw " + b64encode(b"jxvbp"), text)
    assert b"jxvbp " + b64encode(b"admin") not in made(b"jxvbp " + b64encode(b"jxvbp"), text)


def test_parts_of_a_line_are_left_out_one_by_one() -> None:
    sent = made(b"one=1&two=2;three=3\n")
    assert {b"&two=2;three=3\n", b"one=1;three=3\n", b"one=1&two=2\n"} <= sent


def test_two_forms_are_joined_as_one() -> None:
    assert spliced([Genome((b"a=1",)), Genome((b"b=2",))], apart=False).messages == (b"a=1&b=2",)
    assert spliced([Genome((b"a\n",)), Genome((b"b\n",))], apart=True).messages == (b"a\n", b"b\n")


def test_repairs_of_the_second_follow_its_messages() -> None:
    repair = Repair(0, 2, 2, "big", 9, False)
    joined = Genome((b"a",)).and_then(Genome((b"bcde",), repairs=(repair,)))
    assert joined.repairs == (repair._replace(message=1),)


def test_the_length_of_a_body_is_told_as_it_is() -> None:
    message = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nseven77"
    ((sent,),) = Genome((message,)).script().sessions
    assert b"Content-Length: 7\r\n" in sent


def test_the_words_of_a_packet_are_among_the_seeds() -> None:
    sent = {one.messages[0] for one in seeds([b"action", b"join"], cgi=True)}
    assert any(one.startswith(b"action=join") for one in sent)
    assert all(one.cgi for one in seeds([b"action"], cgi=True))


COMPARED = st.builds(
    Compared,
    st.integers(0, 3),
    st.sampled_from(["text", "prefix", "case", "case prefix", "find", "number", "address", "form"]),
    st.binary(max_size=12),
    st.binary(max_size=12),
)
PAIR = st.tuples(st.integers(0, 3), st.integers(0, 1 << 33), st.integers(0, 1 << 33), st.sampled_from([1, 2, 4, 8]))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=3), st.lists(COMPARED, max_size=6), st.lists(PAIR, max_size=6))
def test_any_trace_gives_genomes(messages: list[bytes], compared: list[Compared], pairs: list[tuple[int, ...]]) -> None:
    trace = NOTHING._replace(comparisons=tuple(compared), pairs=tuple(pairs))  # type: ignore[arg-type]
    genome = Genome(tuple(messages))
    for one in islice(mutants(genome, trace, {0: {b"a", b"bc"}}, [genome, Genome((b"x=1",))]), 300):
        assert all(isinstance(message, bytes) for message in one.messages)
