"""Programs that are many: which applet does what."""

import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.firmware.program.build import compiler
from tests.firmware.program.test_loader import minimal

from customhouse.firmware.program.analysis import analyse
from customhouse.firmware.program.code import Code
from customhouse.firmware.program.elf import Image, Segment
from customhouse.firmware.program.lifter import Lifter
from customhouse.firmware.program.loader import load
from customhouse.firmware.program.multicall import Applets, applets, judged
from customhouse.model import Confidence, Flow, FlowStep, Outcome, ProgramFacts

NAMES = ["[", "[[", "ash", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "echo", "grep", "head", "httpd",
         "kill", "ls", "mount", "mv", "ps", "rm", "sed", "sh", "sort", "tail", "test", "tftp", "vi"]  # fmt: skip
SOURCE = r"""
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#define NI __attribute__((noinline))
static NI int take(char *to, int size, int port) {
    int s = socket(AF_INET, SOCK_STREAM, 0), c;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    bind(s, (void *)&a, sizeof a); listen(s, 1);
    c = accept(s, 0, 0);
    return recv(c, to, size, 0);
}
#define APPLET(name, how, then) \
    NI int name(int n, char **v) { char t[300]; int k = how; if (k < 0) return 1; t[k] = 0; return then; }
APPLET(httpd_main, take(t, 299, 8080), HTTPD)
APPLET(tftp_main, take(t, 299, 6969), TFTP)
APPLET(ash_main, read(atoi(v[1]), t, 299), system(t))
NI int other_main(int n, char **v) { puts(v[0]); return 0; }
const char names[] = NAMES;
int (*const mains[])(int, char **) = { MAINS };
int main(int n, char **v) {
    const char *p = names;
    for (unsigned i = 0; i < sizeof mains / sizeof *mains; i++, p += strlen(p) + 1)
        if (!strcmp(p, v[0])) return mains[i](n, v);
    return 1;
}
"""  # fmt: skip


def built(tmp_path: Path, architecture: str, httpd: str = "0", tftp: str = "0") -> bytes:
    gcc = compiler(architecture)
    if gcc is None:
        pytest.skip(f"no cross compiler for {architecture}")
    own = {"httpd": "httpd_main", "tftp": "tftp_main", "ash": "ash_main", "sh": "ash_main"}
    defines = {
        "NAMES": '"' + "\\0".join(NAMES) + '\\0"',
        "MAINS": ",".join(own.get(name, "other_main") for name in NAMES),
        "HTTPD": httpd,
        "TFTP": tftp,
    }
    (tmp_path / "many.c").write_text("".join(f"#define {key} {value}\n" for key, value in defines.items()) + SOURCE)
    out = tmp_path / "many"
    subprocess.run([gcc, "-O2", "-w", "-s", "-o", str(out), str(tmp_path / "many.c")], check=True)
    return out.read_bytes()


@pytest.mark.parametrize("architecture", ["armhf", "arm64", "mipsel", "x86-64"])
def test_applets_are_found_with_their_main_functions(architecture: str, tmp_path: Path) -> None:
    found = applets(load(built(tmp_path, architecture)))
    assert found is not None
    assert list(found.names) == NAMES
    assert {"ash", "sh"} in [set(names) for names in found.mains.values()]
    assert ("httpd",) in found.mains.values()


@pytest.mark.parametrize("architecture", ["armhf", "arm64", "mipsel"])
def test_a_shell_that_runs_what_it_reads_is_no_flow(architecture: str, tmp_path: Path) -> None:
    assert analyse(built(tmp_path, architecture)).flows == ()


@pytest.mark.parametrize("architecture", ["armhf", "arm64", "mipsel"])
def test_what_a_network_service_among_the_applets_does_is_sure(architecture: str, tmp_path: Path) -> None:
    flows = analyse(built(tmp_path, architecture, httpd="system(t)")).flows
    assert {(flow.confidence, flow.kind) for flow in flows} == {(Confidence.HIGH, "command")}


def test_what_another_applet_does_is_medium_at_most(tmp_path: Path) -> None:
    flows = analyse(built(tmp_path, "arm64", tftp="system(t)")).flows
    assert {(flow.confidence, flow.port) for flow in flows} == {(Confidence.MEDIUM, None)}


@pytest.mark.parametrize("architecture", ["armhf", "arm64", "mipsel"])
def test_what_one_applet_hears_another_does_not_run(architecture: str, tmp_path: Path) -> None:
    """They have the memory of one program, and each has a process of its own."""
    image = load(built(tmp_path, architecture))
    found = applets(image)
    assert found is not None
    main = {name: at & ~1 for at, names in found.mains.items() for name in names}
    code = Code(image, Lifter(image))
    code.look_for_starts()

    def confidence(hears: str, does: str) -> Confidence | None:
        step = FlowStep(function="f", address=main[does])
        flow = Flow(
            program="",
            architecture=architecture,
            kind="command",
            source=f"recv@{main[hears]:#x}",
            sink="system@0x1",
            path=(step,),
            confidence=Confidence.HIGH,
        )
        facts = ProgramFacts(outcome=Outcome.DONE, flows=(flow,))
        return next((one.confidence for one in judged(facts, code, found).flows), None)

    assert confidence("httpd", "httpd") is Confidence.HIGH
    assert confidence("tftp", "tftp") is Confidence.MEDIUM
    assert confidence("tftp", "ash") is None
    assert confidence("httpd", "tftp") is None


def test_an_ordinary_program_is_not_taken_for_many() -> None:
    assert applets(load(minimal())) is None
    assert applets(load(minimal(code=b"\0".join(f"word{n:03}".encode() for n in range(60)) + b"\0" * 4))) is None


@given(st.binary(max_size=600))
def test_any_data_is_searched_without_a_fault(noise: bytes) -> None:
    names = b"\0".join(name.encode() for name in NAMES) + b"\0"
    found = applets(load(minimal(code=names + noise.ljust(64, b"\0"))))
    assert found is None or set(found.names) & set(NAMES)


def holding(data: bytes) -> Image:
    segment = Segment(0x10000, 0x10000 + len(data), bytearray(data), executable=False, writable=False)
    return Image("arm", False, 4, 0, [segment])


def structures(names: list[str]) -> Image:
    """Data as busybox before 1.2 has it: names, a function, and an array of name, function and flags."""
    start, texts, places = 0x10000, b"\0BusyBox v1.01 (2012) multi-call binary\0", []
    for name in names:
        places.append(start + len(texts))
        texts += name.encode() + b"\0"
    texts = texts.ljust(len(texts) + -len(texts) % 4, b"\0")
    array = b"".join(struct.pack("<III", place, 0x8000 + 16 * at, 2) for at, place in enumerate(places))
    data = Segment(start, start + len(texts + array), bytearray(texts + array), executable=False, writable=True)
    code = Segment(0x8000, 0x9000, bytearray(0x1000), executable=True, writable=False)
    return Image("arm", False, 4, 0, [code, data])


def test_the_applets_of_an_old_busybox_are_found_in_their_structures() -> None:
    names = ["[", "ash", "cat", "cp", "echo", "httpd", "kill", "ls", "mount", "mv", "ps", "rm"]
    found = applets(structures(names))
    assert found is not None
    assert list(found.names) == names
    assert found.mains[0x8000] == ("[",) and found.mains[0x8000 + 16 * names.index("httpd")] == ("httpd",)


def test_what_a_shell_has_built_in_is_no_list_of_applets() -> None:
    assert applets(structures(["alias", "cd", "echo", "eval", "exec", "exit", "kill", "read"])) == Applets((), {})


def test_an_old_busybox_is_told_by_its_banner() -> None:
    assert applets(holding(b"\0BusyBox v1.01 (2012.05.21-08:22+0000) multi-call binary\0")) == Applets((), {})
    assert applets(holding(b"\0needs BusyBox version 1\0")) is None
