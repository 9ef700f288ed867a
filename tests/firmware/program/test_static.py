"""Static programs: what their C library's functions are called, told by running them."""

import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.firmware.program.build import ARCHITECTURES, build, compiler, pairs
from tests.firmware.program.test_loader import minimal

from customhouse.firmware.program.analysis import analyse
from customhouse.firmware.program.code import Code
from customhouse.firmware.program.emulator import Machine
from customhouse.firmware.program.kernel import Kernel
from customhouse.firmware.program.lifter import Lifter
from customhouse.firmware.program.loader import load
from customhouse.firmware.program.ram import Fault, Ram
from customhouse.firmware.program.static import UNNAMED, Library
from customhouse.model import Confidence, Outcome

CALLS_MANY = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
static __attribute__((noinline)) int careful(const char *text) {
    if (strpbrk(text, ";|&`$'\"<>")) return -1;
    return system(text);
}
int main(int count, char **words) {
    char text[256], other[64], *copy = strdup(words[0]);
    int s = socket(2, 2, 0);
    ssize_t n = recv(s, text, sizeof text - 1, 0);
    FILE *f = fopen(words[1], "r");
    if (!f || n < 0 || bind(s, (void *)other, 16)) return 1;
    while (fgets(text, sizeof text, f))
        if (strstr(text, words[1]) && strncmp(text, words[2], n) && strcasecmp(text, other))
            strncpy(other, strchr(text, 'a'), n);
    snprintf(text, sizeof text, words[3], copy, getenv("HOME"));
    fclose(f);
    if (atoi(text) > 3) execl("/bin/sh", "sh", "-c", other, (char *)0);
    memcpy(other, text, n);
    printf(words[4], strlen(text), popen(other, "r"));
    free(copy);
    return careful(other);
}
"""
EXPECTED = {
    "socket", "recv", "bind", "fopen", "fgets", "strstr", "strncmp", "strcasecmp", "strncpy", "strchr", "snprintf",
    "getenv", "fclose", "execl", "memcpy", "printf", "strlen", "popen", "free", "strdup", "strpbrk", "system",
}  # fmt: skip
ALIKE = {"strtol": "atoi", "index": "strchr", "memmove": "memcpy"}


def static(tmp_path: Path, architecture: str, source: str, *flags: str) -> bytes:
    gcc = compiler(architecture)
    if gcc is None:
        pytest.skip(f"no cross compiler for {architecture}")
    (tmp_path / "one.c").write_text(source)
    out = tmp_path / "one"
    subprocess.run([gcc, "-O2", "-w", "-static", *flags, "-o", str(out), str(tmp_path / "one.c")], check=True)
    return out.read_bytes()


def opened(data: bytes) -> Library:
    image = load(data)
    code = Code(image, Lifter(image))
    library = code.library = Library(image, code, 20.0)
    library.open()
    return library


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_functions_of_the_c_library_are_named_by_what_they_do(architecture: str, tmp_path: Path) -> None:
    library = opened(static(tmp_path, architecture, CALLS_MANY, "-s"))
    named = {ALIKE.get(name, name) for name in library.known.values() if name is not None}
    assert library.problem == ""
    assert EXPECTED - named == set()


@pytest.mark.parametrize("architecture", ["arm64", "armhf"])
def test_a_name_told_by_running_is_the_one_that_the_symbol_has(architecture: str, tmp_path: Path) -> None:
    symbols = load(static(tmp_path, architecture, CALLS_MANY)).symbols
    library = opened(static(tmp_path, architecture, CALLS_MANY, "-s"))
    places: dict[int, set[str]] = {}
    for name, address in symbols.items():
        places.setdefault(address, set()).add(name.lstrip("_"))
    told = {at: name for at, name in library.known.items() if name not in (None, UNNAMED) and at in places}
    wrong = {
        hex(at): (name, places[at])
        for at, name in told.items()
        if name is not None and name.lstrip("_") not in places[at] and ALIKE.get(name) not in places[at]
        and not any(one.endswith(name.lstrip("_")) for one in places[at])
    }  # fmt: skip
    assert len(told) > 10
    assert wrong == {}


def test_a_function_that_checks_before_it_runs_a_command_is_not_named_after_it(tmp_path: Path) -> None:
    library = opened(static(tmp_path, "arm64", CALLS_MANY, "-s"))
    systems = [at for at, name in library.known.items() if name == "system"]
    assert systems
    assert all(library.beyond(at) for at in systems)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_flow_in_a_static_program_is_found_and_its_benign_twin_stays_quiet(architecture: str) -> None:
    pair = next(one for one in pairs() if one.name == "tcp_accept")
    if compiler(architecture) is None:
        pytest.skip(f"no cross compiler for {architecture}")
    true = analyse(build(pair, "true", architecture, "-O2", ("-static",)).program.read_bytes())
    flows = [flow for flow in true.flows if flow.confidence is Confidence.HIGH]
    found = {(flow.kind, flow.port, flow.protocol, flow.magic) for flow in flows}
    assert found == {("command", 9527, "tcp", "RUN ")}, (true.outcome, true.why, true.flows, true.constructed_commands)
    benign = analyse(build(pair, "benign", architecture, "-O2", ("-static",)).program.read_bytes())
    assert benign.flows == ()


@pytest.mark.parametrize("flags", [(), ("-no-pie",), ("-static",)])
def test_programs_of_i386_are_read_position_independent_or_not(flags: tuple[str, ...]) -> None:
    pair = next(one for one in pairs() if one.name == "digits_only")
    if compiler("i386") is None:
        pytest.skip("no cross compiler for i386")
    true = analyse(build(pair, "true", "i386", "-O2", flags).program.read_bytes())
    assert {(flow.kind, flow.port, flow.magic) for flow in true.flows} == {("command", 10001, "CHAN")}
    assert analyse(build(pair, "benign", "i386", "-O2", flags).program.read_bytes()).flows == ()


def test_a_program_with_symbols_is_read_by_them(tmp_path: Path) -> None:
    library = opened(static(tmp_path, "mipsel", CALLS_MANY))
    assert {"recv", "system", "execl", "fgets"} <= set(library.known.values())
    assert library.process.operations == 0


def test_musl_is_named_as_well(tmp_path: Path) -> None:
    musl = shutil.which("musl-gcc")
    if musl is None:
        pytest.skip("no musl-gcc")
    (tmp_path / "one.c").write_text(CALLS_MANY)
    out = tmp_path / "one"
    subprocess.run([musl, "-O2", "-w", "-static", "-s", "-o", str(out), str(tmp_path / "one.c")], check=True)
    named = set(opened(out.read_bytes()).known.values())
    assert {"socket", "recv", "system", "popen", "snprintf", "strstr", "execl", "fopen", "fgets"} <= named


def test_a_static_program_whose_start_leads_nowhere_is_unsupported() -> None:
    facts = analyse(minimal())
    assert facts.outcome is Outcome.UNSUPPORTED
    assert facts.why.startswith("static program: its start could not be followed")


def test_what_stays_without_a_name_is_said(tmp_path: Path) -> None:
    source = CALLS_MANY.replace("return careful", "getaddrinfo(copy, other, 0, &f); return careful").replace(
        "#include <stdio.h>", "#include <stdio.h>\n#include <netdb.h>"
    )
    facts = analyse(static(tmp_path, "arm64", source, "-s"))
    assert facts.outcome is Outcome.PARTIAL
    assert "functions of its C library are not named" in facts.why


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=16, max_size=120), st.sampled_from([40, 8]))
@example(bytes(14) + bytes.fromhex("101050006001"), 40)  # an operation with one operand of two
def test_any_code_ends_in_the_emulator(code: bytes, machine: int) -> None:
    image = load(minimal(machine, code))
    emulator = Machine(Lifter(image), Ram(image), Kernel(image.architecture))
    emulator.go(image.entry)
    ended = emulator.run(2000)
    assert ended.split(":")[0] in ("fault", "limit", "return", "callback", "exit", "too many system calls")
    assert emulator.operations <= 2000 + 500


@given(st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=5000))
def test_memory_comes_back_as_it_was(offset: int, data: bytes) -> None:
    ram = Ram(load(minimal()))
    ram.reserve(0x40000, 0x20000)
    ram.write(0x40000 + offset, data)
    ram.freeze()
    ram.write(0x40000 + offset, bytes(len(data)))
    ram.restore()
    assert ram.read(0x40000 + offset, len(data)) == data
    with pytest.raises(Fault):
        ram.load(0x10, 4)


def test_a_system_call_is_answered_and_written_down_with_its_arguments() -> None:
    # mov r7, #281 (socket) in two steps; svc 0; bx lr
    code = bytes.fromhex("ff70a0e31a7087e2000000ef1eff2fe1")
    image = load(minimal(40, code))
    kernel = Kernel("arm")
    emulator = Machine(Lifter(image), Ram(image), kernel)
    for name, value in (("r0", 2), ("r1", 1), ("r2", 0), ("lr", 0xE1000000)):
        emulator.set(name, value)
    emulator.go(image.entry)
    assert emulator.run(1000) == "return"
    assert [(one.name, one.arguments[:3]) for one in kernel.trace] == [("socket", (2, 1, 0))]
    assert emulator.get("r0") == 4
    assert msgspec.convert(emulator.get("r7"), int) == 281
