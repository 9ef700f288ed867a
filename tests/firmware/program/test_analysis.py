"""Whole programs, built here for each architecture whose compiler is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.program.build import ARCHITECTURES
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse
from customhouse.firmware.program.report import Reporter
from customhouse.model import Confidence, Outcome, ProgramFacts

DOOR = r"""
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
int main(void) {
    struct sockaddr_in me; char packet[900]; int s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof me); me.sin_family = AF_INET; me.sin_port = htons(41234);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0) return 1;
    for (;;) {
        long n = recv(s, packet, sizeof packet - 1, 0);
        if (n <= 8) continue;
        packet[n] = 0;
        if (memcmp(packet, "OpenDoor", 8) == 0) RUN;
    }
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_packet_that_becomes_a_command_is_found_with_port_and_magic(tmp_path: Path, architecture: str) -> None:
    facts = analyse(built(tmp_path, architecture, DOOR.replace("RUN", "system(packet + 8)")))
    [flow] = facts.flows
    assert (flow.kind, flow.confidence, flow.command) == ("command", Confidence.HIGH, "%s")
    assert (flow.port, flow.port_certainty, flow.protocol) == (41234, "exact", "udp")
    assert flow.magic == "OpenDoor"
    assert flow.source.startswith("recv@")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_constant_command_after_the_same_packet_is_nothing(tmp_path: Path, architecture: str) -> None:
    facts = analyse(built(tmp_path, architecture, DOOR.replace("RUN", 'system("/sbin/reboot")')))
    assert (facts.flows, facts.constructed_commands) == ((), ())
    assert facts.bound_ports == ((41234, "udp", "exact"),)


@pytest.mark.parametrize("options", [("-marm",), ("-no-pie",), ("-marm", "-no-pie")])
def test_arm_and_thumb_code_are_both_read(tmp_path: Path, options: tuple[str, ...]) -> None:
    facts = analyse(built(tmp_path, "armhf", DOOR.replace("RUN", "system(packet + 8)"), *options))
    assert [flow.port for flow in facts.flows] == [41234]


@pytest.mark.parametrize("architecture", ["mips", "mipsel"])
def test_old_style_mips_programs_with_lazy_stubs_are_read(tmp_path: Path, architecture: str) -> None:
    facts = analyse(built(tmp_path, architecture, DOOR.replace("RUN", "system(packet + 8)"), "-no-pie", "-mips32r2"))
    assert [flow.port for flow in facts.flows] == [41234]


def test_a_static_program_is_never_called_clean(tmp_path: Path) -> None:
    facts = analyse(built(tmp_path, "armel", DOOR.replace("RUN", "system(packet + 8)"), "-static"))
    assert facts.flows or facts.outcome is Outcome.UNSUPPORTED


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_an_outcome(data: bytes) -> None:
    facts = analyse(b"\x7fELF\x01\x01\x01" + data)
    assert isinstance(facts, ProgramFacts)
    assert facts.outcome is Outcome.DONE or facts.why


@pytest.mark.parametrize("architecture", ["mips", "mipsel", "armhf"])
def test_a_shell_named_on_the_command_line_is_not_what_was_received(tmp_path: Path, architecture: str) -> None:
    source = Path(__file__).parents[3] / "sample/programs/telnetd.c"
    options = ("-Os", "-fno-pie", "-no-pie", "-Wl,--unresolved-symbols=ignore-all")
    facts = analyse(built(tmp_path, architecture, source.read_text(), *options))
    assert facts.flows == ()
    assert [command.inputs for command in facts.constructed_commands] == [("optarg",)]


def test_what_was_found_before_reading_had_to_stop_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_deep(*_arguments: object) -> None:
        raise RecursionError

    monkeypatch.setattr(Reporter, "_overflows", too_deep)
    facts = analyse(built(tmp_path, "armhf", DOOR.replace("RUN", "system(packet + 8)")))
    assert [flow.port for flow in facts.flows] == [41234]
    assert facts.outcome is Outcome.PARTIAL
    assert facts.why


HANDLER = r"""
#include <stdio.h>
#include <stdlib.h>
int register_action(const char *name, int (*handler)(const char *address));
static int upgrade(const char *address) {
    char line[256];
    snprintf(line, sizeof line, "fetch -q %s -o /tmp/image", address);
    return system(line);
}
int main(void) { return register_action("Upgrade", upgrade); }
"""


@pytest.mark.parametrize("architecture", ["mips", "mipsel"])
def test_the_command_of_a_handler_that_only_a_library_calls_is_told(tmp_path: Path, architecture: str) -> None:
    facts = analyse(built(tmp_path, architecture, HANDLER, "-Wl,--unresolved-symbols=ignore-all"))
    assert [command.format for command in facts.constructed_commands] == ["fetch -q %s -o /tmp/image"]


RECEIVER = r"""
#include <sys/socket.h>
int receive_all(int socket, char *target, int size) {
    int count = recv(socket, target, size, 0);
    return count > 0 ? count : -2;
}
int how_much(int socket) { char gone[64]; return recv(socket, gone, sizeof gone, 0); }
"""


@pytest.mark.parametrize("architecture", ["armhf", "mips", "x86-64"])
def test_a_count_of_received_bytes_makes_no_export_a_source(tmp_path: Path, architecture: str) -> None:
    facts = analyse(built(tmp_path, architecture, RECEIVER, "-shared", "-fPIC"))
    assert [(role.function, role.role, role.argument) for role in facts.exports] == [
        ("receive_all", "source-buffer", 1)
    ]


TWO_KEYS = r"""
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static struct { char *key, *value; } words[8];
static int count;
__attribute__((noinline)) static char *word(const char *key) {
    for (int i = 0; i < count; i++) if (strcmp(words[i].key, key) == 0) return words[i].value;
    return NULL;
}
int main(void) {
    static char line[512]; char command[640]; int s = accept(3, NULL, NULL);
    while (recv(s, line, sizeof line - 1, 0) > 0) {
        count = 0;
        for (char *t = strtok(line, "&"); t && count < 8; t = strtok(NULL, "&")) {
            char *value = strchr(t, '=');
            if (!value) continue;
            *value = 0; words[count].key = t; words[count++].value = value + 1;
        }
        char *checked = word("sum"), *url = word("url");
        if (!checked || !url) continue;
        for (char *p = checked; *p; p++) if (!isxdigit((unsigned char)*p)) return 1;
        strcpy(command, "wget ");
        strcpy(command + 5, USED);
        system(command);
    }
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_a_check_of_what_one_key_gave_says_nothing_of_what_another_gave(
    tmp_path: Path, architecture: str, level: str
) -> None:
    commands = []
    for used in ("url", "checked"):
        facts = analyse(built(tmp_path, architecture, TWO_KEYS.replace("USED", used), level))
        commands.append({flow.command for flow in facts.flows if flow.kind == "command"})
    assert commands == [{"wget %s"}, set()]


PACKET = """
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>
int ask(int s, const char *name) {
    unsigned char packet[256];
    unsigned char kind;
    unsigned short port = 1;
    packet[0] = 5;
    packet[1] = strlen(name) & 63;
    memcpy(packet + 2, &port, 2);
    memcpy(packet + 5, name, packet[1]);
    if (send(s, packet, 80, 0) != 80 || read(s, packet, 4) != 4) return -1;
    kind = packet[3];
    return read(s, packet, kind == 1 ? 6 : kind == 3 ? (packet[0] & 127) + 2 : 18) > 2 ? packet[1] : -1;
}
int main(int argc, char **argv) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    return ask(s, argv[1]) + ask(s, argv[2]);
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_answer_read_over_the_packet_that_was_made_field_by_field_fits(tmp_path: Path, architecture: str) -> None:
    assert analyse(built(tmp_path, architecture, PACKET)).flows == ()


def test_what_is_found_does_not_depend_on_the_order_of_sets(tmp_path: Path) -> None:
    pair = Path(__file__).parent / "pairs" / "two_listeners" / "true.c"
    built(tmp_path, "x86-64", pair.read_text(), "-Os")
    told = "import sys; from customhouse.firmware.program.analysis import analyse; "
    told += "print(analyse(open(sys.argv[1], 'rb').read()))"
    found = set()
    for seed in ("1", "8"):
        found.add(
            subprocess.run(
                [sys.executable, "-c", told, str(tmp_path / "p")],
                env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
    [facts] = found
    assert "port=10087" in facts


APPENDED = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
static void look(char **words, int count) {
    char line[200];
    int i;
    strcpy(line, "fping -c 3 -t 500");
    for (i = 0; i < count; i++) {
        strcat(line, " ");
        strcat(line, words[i]);
    }
    strcat(line, " 2>&1");
    system(line);
}
int main(void) {
    struct sockaddr_in me; char packet[90]; char *words[8]; int s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof me); me.sin_family = AF_INET; me.sin_port = htons(41234);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0) return 1;
    for (;;) {
        long n = recv(s, packet, sizeof packet - 1, 0);
        int count = 0;
        if (n <= 8) continue;
        packet[n] = 0;
        for (words[0] = strtok(packet, " "); words[count] && count < 7; words[count] = strtok(NULL, " ")) count++;
        look(words, count);
    }
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_words_appended_in_a_loop_to_a_constant_beginning_are_part_of_the_command(
    tmp_path: Path, architecture: str, level: str
) -> None:
    facts = analyse(built(tmp_path, architecture, APPENDED, level))
    assert {flow.kind for flow in facts.flows if flow.confidence is Confidence.HIGH} == {"command"}
