"""Small daemons that copy what they receive, and what is told of their copies."""

from pathlib import Path

from tests.firmware.program.compiled import DATAGRAMS, built

from customhouse.firmware.program.loader import load
from customhouse.firmware.program.rehearsal.flows import found, rehearse
from customhouse.firmware.program.rehearsal.genomes import Genome
from customhouse.firmware.program.rehearsal.stage import Stage
from customhouse.model import Confidence, Flow, ProgramFacts, Rehearsed

PORT, ROOM = 41234, 40
HEADERS = r"""
#include <alloca.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#define APART static void __attribute__((noipa))
static int sock;
APART answer(const char *text) { send(sock, text, strlen(text), 0); }
"""
"""The begin of each program: functions stay apart, and call what they say."""
FIELD = r"""
APART take(char *in, long n) {
    char field[40];
    if (strncmp(in, "name ", 5)) return;
    CHECK
    strcpy(field, in + 5);
    answer(field);
}
"""
RIGHT = "if (strlen(in + 5) >= sizeof field) return;"
LOOP = r"""
APART copy(const char *from, int most) {
    char field[40];
    int i;
    for (i = 0; i < most && from[i] && from[i] != '\n'; i++) field[i] = from[i];
    field[i] = 0;
    answer(field);
}
APART take(char *in, long n) {
    if (!strncmp(in, "name ", 5)) copy(in + 5, MOST);
    answer(in);
}
"""
CONFIRMED = (Rehearsed.CONFIRMED, Confidence.HIGH)
KEPT_OUT = (Rehearsed.KEPT_OUT, Confidence.LOW)
NOT_REACHED = (Rehearsed.NOT_REACHED, Confidence.MEDIUM)


def program(folder: Path, architecture: str, text: str, check: str = "") -> bytes:
    return built(folder, architecture, HEADERS + text.replace("CHECK", check) + DATAGRAMS, "-fno-builtin", "-pthread")


def asked(data: bytes, name: str = "strcpy", message: bytes = b"name jxvbp", room: int | None = ROOM) -> ProgramFacts:
    """The facts of a program with one flow to be rehearsed, as one may be traced to what a harmless packet leads to."""
    copies = Stage(load(data), PORT, True).play(Genome((message,))).copied
    (site,) = {one.site for one in copies if one.name == name}
    flow = Flow(
        program="",
        architecture="",
        source="recv@0x0",
        sink=f"{name}@{site:#x}",
        kind="overflow",
        port=PORT,
        protocol="udp",
        room=room,
        confidence=Confidence.MEDIUM,
    )
    return ProgramFacts(flows=(flow,))


def shown(data: bytes, facts: ProgramFacts, seconds: float = 2.0) -> tuple[Rehearsed, Confidence]:
    """What is told of the one flow of a program."""
    (flow,) = rehearse(load(data), facts, seconds)
    return flow.rehearsed, flow.confidence


def untraced(data: bytes, seconds: float = 1.5) -> list[Flow]:
    """What is found in a program of which nothing was traced but its port."""
    return found(load(data), ProgramFacts(bound_ports=((PORT, "udp", "exact"),)), seconds)
