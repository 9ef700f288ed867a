"""Numbers of 16 bits: those with a sign may be negative, and x86 gives their second byte a name of its own."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built, sided

from customhouse.firmware.program import fold, lift
from customhouse.firmware.program.analysis import analyse
from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.lift import SAR, SHL, SHR
from customhouse.firmware.program.lifter import Lifter
from customhouse.firmware.program.terms import BYTE, Terms

FRAMES = r"""
#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
struct head { uint16_t kind; TYPE size; } __attribute__((packed));
struct link { int fd; unsigned count; unsigned char body[512]; long seen; };
__attribute__((noipa)) static int get(int fd, void *to, size_t want) {
    unsigned char *p = to;
    while (want > 0) {
        ssize_t n = recv(fd, p, want > 256 ? 256 : want, 0);
        if (n <= 0) return -1;
        p += n;
        want -= n;
    }
    return 0;
}
static void *serve(void *given) {
    struct link *one = given;
    struct head head;
    while (!get(one->fd, &head, sizeof head)) {
        head.size = ntohs(head.size);
        if (head.kind == 7 || CHECK) break;
        if (get(one->fd, one->body, head.size)) break;
        one->count++;
        one->seen = one->body[0];
        write(2, one->body, head.size);
    }
    close(one->fd);
    free(one);
    return 0;
}
int main(void) {
    struct sockaddr_in me = {AF_INET, htons(4100)};
    pthread_t thread;
    int s = socket(AF_INET, SOCK_STREAM, 0), c;
    if (bind(s, (struct sockaddr *)&me, sizeof me) || listen(s, 2)) return 1;
    while ((c = accept(s, 0, 0)) >= 0) {
        struct link *one = calloc(1, sizeof *one);
        if (!one) continue;
        one->fd = c;
        pthread_create(&thread, 0, serve, one);
    }
    return 0;
}
"""


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("architecture", ["armel", "armhf", "arm64", "mips", "x86-64"])
def test_a_negative_length_of_16_bits_passes_a_test_of_its_upper_end(
    tmp_path: Path, architecture: str, level: str
) -> None:
    def found(kind: str, check: str) -> set[str]:
        text = FRAMES.replace("TYPE", kind).replace("CHECK", check)
        return {flow.kind for flow in analyse(built(tmp_path, architecture, text, level)).flows}

    assert found("int16_t", "head.size > 512") == {"overflow"}
    assert found("int16_t", "head.size <= 0 || head.size > 512") == set()
    assert found("uint16_t", "head.size > 512") == set()


RECORDS = r"""
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
typedef struct { uint8_t data[128]; uint16_t used; uint8_t valid; } record;
static record *records[8];
static int echo(const uint8_t *in, int n, uint8_t *out) { memcpy(out, in, n < 4 ? n : 4); return 4; }
static int count(const uint8_t *in, int n, uint8_t *out) { out[1] = in[2] + n; return 2; }
static int store(const uint8_t *in, int n, uint8_t *out) {
    unsigned slot, at, size;
    if (n < 4) return -3;
    slot = in[1];
    at = in[2];
    size = in[3];
    if (slot >= 8 || n < (int)(4 + size)) return -2;
    if (at >= 128 || size > ROOM) return -2;
    memcpy(records[slot]->data + at, in + 4, size);
    if (at + size > records[slot]->used) records[slot]->used = at + size;
    records[slot]->valid = 1;
    out[1] = slot;
    out[2] = at;
    return 4;
}
static int (*calls[128])(const uint8_t *, int, uint8_t *) = {[1] = echo, [3] = count, [100] = store};
int main(void) {
    uint8_t in[260], out[260];
    struct sockaddr_in me = {AF_INET, htons(502)};
    int s = socket(AF_INET, SOCK_DGRAM, 0), n, i;
    for (i = 0; i < 8; i++)
        if (!(records[i] = calloc(1, sizeof(record)))) return 1;
    if (bind(s, (struct sockaddr *)&me, sizeof me)) return 1;
    while ((n = recv(s, in, sizeof in, 0)) > 0) {
        n = in[0] < 128 && calls[in[0]] ? calls[in[0]](in, n, out) : -1;
        if (n > 0) send(s, out, n, 0);
    }
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
def test_a_function_far_behind_the_others_of_a_table_copies_into_a_record_of_an_array(
    tmp_path: Path, architecture: str
) -> None:
    for true, found in ((True, ["overflow"]), (False, [])):
        text = sided(RECORDS, {"ROOM": ("128 - at", "249")}, true)
        assert [flow.kind for flow in analyse(built(tmp_path, architecture, text)).flows] == found


def test_the_second_byte_of_a_register_is_a_part_of_it() -> None:
    code = bytearray.fromhex("0fb6c7c3")  # movzx eax, bh
    image = Image("x86_64", False, 8, 0x1000, segments=[Segment(0x1000, 0x1004, code, True, False)])
    lifter = Lifter(image)
    [block] = lifter.block(0x1000, False)
    assert [(op[0], ~op[3], op[4]) for op in block.ops[:2]] == [(lift.AND, 0xFFFF, 2), (lift.SHR, 8, 2)]
    assert block.ops[0][2] == lifter.registers["RBX"]


def test_the_second_byte_of_what_was_read_lies_behind_the_first() -> None:
    terms = Terms(8)
    half = terms.load(terms.param(0), 4, 0, 2)
    found = terms.second_byte(half, 8)
    assert found is not None
    assert terms.nodes[found][0] == BYTE
    assert terms.locate(terms.nodes[found][1]) == ((terms.param(0), 5, 0),)
    assert terms.second_byte(terms.load(terms.param(0), 4, 0, 4), 8) is None


def test_shifts_up_and_down_again_leave_the_low_part() -> None:
    terms = Terms(4)
    number, up = terms.param(0), terms.const(16)
    shifted = fold.binary(terms, SHL, number, up, 4)
    assert fold.binary(terms, SHR, shifted, up, 4) == fold.binary(terms, lift.AND, number, terms.const(0xFFFF), 4)
    less = fold.binary(terms, SHL, terms.add(number, -1), up, 4)
    assert fold.binary(terms, SHR, less, up, 4) == fold.binary(
        terms, lift.AND, terms.add(number, -1), terms.const(0xFFFF), 4
    )
    assert number not in terms.signed_halves
    assert fold.binary(terms, SAR, shifted, up, 4) == number
    assert number in terms.signed_halves
