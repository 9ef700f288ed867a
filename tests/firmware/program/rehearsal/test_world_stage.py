"""A program is run from its entry, and what it does with what came in is told: commands, why it ended, and no more."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.firmware.program.build import ARCHITECTURES, cache_folder, compiler
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse
from customhouse.firmware.program.loader import load
from customhouse.firmware.program.rehearsal.genomes import Genome
from customhouse.firmware.program.rehearsal.stage import Stage
from customhouse.firmware.program.rehearsal.trace import Trace

PORT = 41238
HEADERS = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static char in[512];
static int bound(int kind) {
    struct sockaddr_in me;
    int s = socket(AF_INET, kind, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(41238);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0) exit(1);
    if (kind == SOCK_STREAM && listen(s, 5) < 0) exit(1);
    return s;
}
static void run(const char *what, const char *with) {
    char line[600];
    snprintf(line, sizeof line, "%s %s", what, with);
    system(line);
}
"""
"""The begin of each program: a buffer, a socket that is `bound`, and a way to `run` a command."""

DAEMON = r"""
int main(void) {
    int s = bound(SOCK_DGRAM);
    for (;;) {
        struct sockaddr_in who;
        socklen_t size = sizeof who;
        long n = recvfrom(s, in, sizeof in - 1, 0, (struct sockaddr *)&who, &size);
        if (n <= 0) continue;
        in[n] = 0;
        DO
        sendto(s, "ok", 2, 0, (struct sockaddr *)&who, size);
    }
}
"""
"""A daemon that does something with each datagram `in`."""

Play = Callable[..., Trace]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Compiles a program, or what a daemon does with a datagram, and runs it once with messages from outside."""

    def run(text: str, *messages: bytes, architecture: str = "x86-64", genome: Genome | None = None) -> Trace:
        return staged(tmp_path, text, architecture).play(genome or Genome(messages))

    return run


def staged(folder: Path, text: str, architecture: str = "x86-64") -> Stage:
    whole = HEADERS + (text if "int main" in text else DAEMON.replace("DO", text))
    return Stage(load(_program(folder, architecture, whole)), PORT, None)


def _program(folder: Path, architecture: str, text: str) -> bytes:
    """Compiled, or found where it was kept when it was compiled."""
    digest = hashlib.sha256(repr((compiler(architecture), text)).encode()).hexdigest()[:24]
    kept = cache_folder() / "rehearsal" / f"{architecture}-{digest}"
    if not kept.is_file():
        built(folder, architecture, text, "-pthread")
        kept.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=kept.parent) as made:
            Path(shutil.copy(folder / "p", made)).replace(kept)
    return kept.read_bytes()


def lines(trace: Trace) -> list[bytes]:
    """The commands that the shell was given."""
    return [one.arguments[0] for one in trace.ran if one.name == "system"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_daemon_runs_one_command_per_datagram(play: Play, architecture: str) -> None:
    trace = play('run("ping", in);', b"one", b"two; id", architecture=architecture)
    assert lines(trace) == [b"ping one", b"ping two; id"]
    assert [one.session for one in trace.ran] == [0, 1]
    assert trace.ended == "idle"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_command_is_told_with_the_place_that_it_is_called_at(tmp_path: Path, architecture: str) -> None:
    program = _program(tmp_path, architecture, HEADERS + DAEMON.replace("DO", 'run("ping", in);'))
    sinks = {one.sink for one in analyse(program).flows}
    [command] = Stage(load(program), PORT, None).play(Genome((b"one",))).ran
    assert f"{command.name}@{command.site:#x}" in sinks


def test_commands_at_other_places_are_told_apart(play: Play) -> None:
    trace = play('if (*in == \'a\') system("first"); else popen("second", "r");', b"a", b"b", b"a")
    first, second, third = trace.ran
    assert [first.name, second.name] == ["system", "popen"]
    assert first.site == third.site != second.site


def test_without_messages_no_command_is_run(play: Play) -> None:
    assert play('run("ping", in);').ran == ()


def test_a_message_that_is_not_what_the_program_asks_for_runs_nothing(play: Play) -> None:
    trace = play('if (!strncmp(in, "do ", 3)) run("ping", in + 3);', b"do a", b"no b")
    assert lines(trace) == [b"ping a"]


def test_what_the_program_compares_is_told(play: Play) -> None:
    trace = play('if (!strcmp(in, getenv("WORD") ? "x" : "open sesame")) system("door");', b"knock")
    assert (b"knock", b"open sesame") in [(one.left, one.right) for one in trace.comparisons]
    assert trace.asked == {"WORD"}


@pytest.mark.parametrize("architecture", ["arm64", "mips", "x86-64"])
def test_a_function_without_an_answer_ends_the_run_and_is_named(play: Play, architecture: str) -> None:
    trace = play('run("ping", in); if (*in == \'x\') personality(1); run("nmap", in);', b"x", architecture=architecture)
    assert lines(trace) == [b"ping x"]
    assert trace.ended == "personality has no answer"


def test_a_function_without_an_answer_that_is_not_called_does_no_harm(play: Play) -> None:
    trace = play("if (*in == 'x') personality(1); run(\"ping\", in);", b"y")
    assert (lines(trace), trace.ended) == ([b"ping y"], "idle")


def test_an_endless_loop_is_cut(play: Play) -> None:
    trace = play('volatile long i = 0; run("ping", in); while (*in == \'x\') i++; run("more", in);', b"x")
    assert lines(trace) == [b"ping x"]
    assert trace.operations > 300_000
    assert trace.ended not in ("idle", "ended")


def test_a_loop_that_ends_is_not_cut(play: Play) -> None:
    trace = play('volatile long i = 0; while (i < 500) i++; run("ping", in);', b"x")
    assert (lines(trace), trace.ended) == ([b"ping x"], "idle")


def test_endless_work_without_messages_is_cut_as_well(play: Play) -> None:
    trace = play("int main(void) { volatile int i = 0; for (;;) { i++; if (i > 0) getpid(); } }")
    assert trace.ended not in ("idle", "ended")


def test_a_write_to_nowhere_ends_the_run(play: Play) -> None:
    trace = play('run("ping", in); if (*in == \'x\') *(volatile char *)0x66666666 = 1; run("more", in);', b"y", b"x")
    assert lines(trace) == [b"ping y", b"more y", b"ping x"]
    assert trace.ended.startswith("fault")


def test_two_runs_of_a_stage_do_not_know_of_each_other(tmp_path: Path) -> None:
    stage = staged(
        tmp_path,
        r"""
        static int count = 7;
        char *kept = getenv("KEPT"), text[64];
        FILE *f = fopen("/tmp/count", "a+");
        snprintf(text, sizeof text, "%d %s %d %p", count++, kept ? kept : "none", access("/tmp/mark", 0), malloc(9));
        run("ping", text);
        setenv("KEPT", in, 1);
        creat("/tmp/mark", 0600);
        """,
    )
    first = stage.play(Genome((b"one", b"two")))
    again = stage.play(Genome((b"one", b"two")))
    assert lines(first)[0].startswith(b"ping 7 none -1")
    assert lines(first)[1].startswith(b"ping 8 one 0")
    assert first == again
    assert stage.runs == 2


def test_a_run_that_was_cut_leaves_nothing_behind(tmp_path: Path) -> None:
    stage = staged(
        tmp_path,
        r"""
        static volatile int cut;
        int was = cut;
        cut = 1;
        while (*in == 'x') cut++;
        run(was ? "dirty" : "fresh", in);
        """,
    )
    assert lines(stage.play(Genome((b"x",)))) == []
    assert lines(stage.play(Genome((b"y", b"z")))) == [b"fresh y", b"dirty z"]


def test_nothing_of_the_host_is_found(play: Play, tmp_path: Path) -> None:
    """A file that is there on the host is not there for the program, and one that it writes is not on the host."""
    here = tmp_path / "here"
    here.write_text("host")
    text = r"""
        char text[99];
        sprintf(text, "%d %d %d %d %s", open("/etc/passwd", O_RDONLY), fopen("/etc/hostname", "r") != NULL,
            access("HERE", F_OK), open("HERE", O_RDONLY), getenv("PATH") ? "path" : "none");
        run("ping", text);
        unlink("HERE");
        FILE *f = fopen("HERE", "w");
        fputs("mine", f);
        fclose(f);
        close(creat("HERE.new", 0600));
        mkdir("HERE.folder", 0700);
        """
    assert lines(play(text.replace("HERE", str(here)), b"x")) == [b"ping -1 0 -1 -1 none"]
    assert here.read_text() == "host"
    assert sorted(one.name for one in tmp_path.glob("here*")) == ["here"]


def test_no_command_is_run_on_the_host(play: Play, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    trace = play(f'system("touch {mark}"); popen("touch {mark}", "r");', b"x")
    assert len(trace.ran) == 2
    assert not mark.exists()
