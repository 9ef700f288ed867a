"""Processes: each has memory of its own, they speak over pipes, and what they are replaced by is told."""

import pytest
from tests.firmware.program.build import ARCHITECTURES

from customhouse.firmware.program.rehearsal.trace import Trace

from .test_world_stage import Play, lines, play

__all__ = ["play"]

FORKING = r"""
int main(void) {
    int s = bound(SOCK_STREAM), status;
    static int served;
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c < 0) continue;
        served++;
        if (fork() == 0) {
            char line[64];
            long n = read(c, in, sizeof in - 1);
            close(s);
            in[n] = 0;
            sprintf(line, "child %d", served);
            served = 50;
            run(line, in);
            _exit(0);
        }
        close(c);
        waitpid(-1, &status, WNOHANG);
    }
}
"""
PIPED = r"""
int main(void) {
    int ends[2], s = bound(SOCK_DGRAM);
    pipe(ends);
    if (fork() == 0) {
        long n;
        close(ends[1]);
        while ((n = read(ends[0], in, sizeof in - 1)) > 0) { in[n] = 0; run("child", in); }
        run("child", "is done");
        exit(0);
    }
    close(ends[0]);
    for (;;) {
        long n = recv(s, in, sizeof in - 1, 0);
        if (n <= 0) continue;
        in[n] = 0;
        if (*in == 'q') { close(ends[1]); wait(NULL); run("parent", "is done"); return 0; }
        write(ends[1], in, n);
    }
}
"""
EXECUTED = r"""
    pid_t child;
    int status = 0;
    char *list[] = {"sh", "-c", in, NULL}, *environment[] = {NULL};
    if (!(child = fork())) {
        EXEC;
        system("not replaced");
        _exit(3);
    }
    waitpid(child, &status, 0);
    run("status", status ? "bad" : "good");
"""
EXECUTIONS = {
    "execl": 'execl("/bin/sh", "sh", "-c", in, (char *)NULL)',
    "execlp": 'execlp("sh", "sh", "-c", in, (char *)NULL)',
    "execle": 'execle("/bin/sh", "sh", "-c", in, (char *)NULL, environment)',
    "execv": 'execv("/bin/sh", list)',
    "execvp": 'execvp("sh", list)',
    "execve": 'execve("/bin/sh", list, environment)',
}


def told(trace: Trace) -> list[tuple[str, tuple[bytes, ...]]]:
    """Commands with the functions that ran them."""
    return [(one.name, one.arguments) for one in trace.ran]


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
def test_each_connection_has_its_child_with_memory_of_its_own(play: Play, architecture: str) -> None:
    trace = play(FORKING, b"one", b"two", architecture=architecture)
    assert lines(trace) == [b"child 1 one", b"child 2 two"]


def test_a_child_does_not_see_what_its_parent_writes_later(play: Play) -> None:
    text = r"""
    static char kept[99];
    int child;
    strcpy(kept, in);
    if (!(child = fork())) { sleep(5); run("child", kept); _exit(0); }
    strcpy(kept, "changed");
    waitpid(child, NULL, 0);
    run("parent", kept);
    """
    assert lines(play(text, b"one")) == [b"child one", b"parent changed"]


def test_what_is_written_to_a_pipe_reaches_the_child(play: Play) -> None:
    trace = play(PIPED, b"one", b"two;", b"q")
    assert lines(trace) == [b"child one", b"child two;", b"child is done", b"parent is done"]
    assert [one for one in told(trace) if one[0] == "write"] == [("write", (b"one",)), ("write", (b"two;",))]


def test_a_pipe_whose_end_is_open_is_not_done(play: Play) -> None:
    assert lines(play(PIPED, b"one")) == [b"child one"]


def test_a_pipe_between_a_program_and_itself_is_told_but_no_command_of_the_shell(play: Play) -> None:
    text = r"""
    int ends[2];
    char line[99];
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    write(ends[1], in, strlen(in));
    line[read(ends[0], line, 98)] = 0;
    if (*line == 'x') system(line);
    """
    trace = play(text, b"x y", b"no")
    assert told(trace) == [("write", (b"x y",)), ("system", (b"x y",)), ("write", (b"no",))]


@pytest.mark.parametrize("name", EXECUTIONS)
def test_what_a_child_is_replaced_by_is_told_with_its_arguments(play: Play, name: str) -> None:
    trace = play(EXECUTED.replace("EXEC", EXECUTIONS[name]), b"ls; id")
    path = b"sh" if name in ("execlp", "execvp") else b"/bin/sh"
    assert told(trace) == [(name, (path, b"sh", b"-c", b"ls; id")), ("system", (b"status good",))]


@pytest.mark.parametrize("name", ["execl", "execv"])
@pytest.mark.parametrize("architecture", [one for one in ARCHITECTURES if one != "x86-64"])
def test_arguments_lie_where_each_machine_puts_them(play: Play, architecture: str, name: str) -> None:
    trace = play(EXECUTED.replace("EXEC", EXECUTIONS[name]), b"ls", architecture=architecture)
    assert told(trace)[0] == (name, (b"/bin/sh", b"sh", b"-c", b"ls"))


def test_more_arguments_than_registers_are_all_told(play: Play) -> None:
    text = 'if (!vfork()) execlp("tool", "tool", "-1", in, "-2", "b", "-3", "c", "-4", "d", "-5", (char *)0);'
    arguments = (b"tool", b"tool", b"-1", b"x", b"-2", b"b", b"-3", b"c", b"-4", b"d", b"-5")
    assert told(play(text, b"x")) == [("execlp", arguments)]


def test_a_child_that_is_not_replaced_goes_on(play: Play) -> None:
    trace = play(EXECUTED.replace("EXEC", 'if (*in == \'x\') execl("/bin/x", "x", (char *)NULL)'), b"y")
    assert lines(trace) == [b"not replaced", b"status bad"]


@pytest.mark.parametrize("architecture", ["armel", "arm64", "mips", "x86-64"])
def test_what_is_spawned_is_told_with_its_arguments(play: Play, architecture: str) -> None:
    text = r"""
    char *list[] = {"ping", "-c1", in, NULL}, *environment[] = {NULL};
    pid_t child;
    int status = 9;
    if (posix_spawn(&child, "/bin/ping", NULL, NULL, list, environment)) continue;
    run("waited", waitpid(child, &status, 0) == child && !status ? "good" : "bad");
    if (posix_spawnp(NULL, "arp", NULL, NULL, list + 2, environment)) continue;
    """
    trace = play(text, b"a;b", architecture=architecture)
    assert told(trace) == [
        ("posix_spawn", (b"/bin/ping", b"ping", b"-c1", b"a;b")),
        ("system", (b"waited good",)),
        ("posix_spawnp", (b"arp", b"a;b")),
    ]


def test_a_parent_is_told_how_its_child_ended(play: Play) -> None:
    text = r"""
    int status = 0, child;
    char line[64];
    if (!(child = fork())) exit(in[0] - '0');
    child = waitpid(child, &status, 0) == child;
    sprintf(line, "%d %d", child, WEXITSTATUS(status));
    run("ended", line);
    run("again", waitpid(child, &status, 0) < 0 && errno == ECHILD ? "nobody" : "somebody");
    """
    trace = play(text, b"0", b"7")
    assert lines(trace) == [b"ended 1 0", b"again nobody", b"ended 1 7", b"again nobody"]


def test_a_child_that_works_on_is_not_waited_for_where_that_is_not_asked_for(play: Play) -> None:
    text = r"""
    int child, status;
    if (!(child = fork())) { sleep(100); _exit(0); }
    run("now", waitpid(child, &status, WNOHANG) ? "ended" : "lives");
    run("later", waitpid(child, &status, 0) == child ? "ended" : "lives");
    """
    assert lines(play(text, b"x")) == [b"now lives", b"later ended"]


@pytest.mark.parametrize("architecture", ["mips", "x86-64"])
def test_a_handler_is_told_of_a_child_that_ended(play: Play, architecture: str) -> None:
    text = r"""
static volatile int count;
static void ended(int number) { while (waitpid(-1, NULL, WNOHANG) > 0) count++; }
int main(void) {
    int s = bound(SOCK_DGRAM);
    struct sigaction action = {0};
    action.sa_handler = ended;
    action.sa_flags = SA_RESTART;
    sigaction(SIGCHLD, &action, NULL);
    for (;;) {
        char line[64];
        long n = recv(s, in, 99, 0);
        if (n < 0) { system("interrupted"); continue; }
        in[n] = 0;
        sprintf(line, "%d", count);
        run(in, line);
        if (!fork()) _exit(0);
    }
}
"""
    assert lines(play(text, b"one", b"two", architecture=architecture)) == [b"one 0", b"two 1"]


def test_a_child_that_is_killed_does_nothing_more(play: Play) -> None:
    text = r"""
    int child = fork(), status;
    if (!child) { sleep(100); run("child", in); _exit(0); }
    if (*in == 'k') kill(child, SIGTERM);
    waitpid(child, &status, 0);
    run("parent", WIFSIGNALED(status) ? "killed" : "ended");
    """
    assert lines(play(text, b"kill", b"let")) == [b"parent killed", b"child let", b"parent ended"]


def test_a_program_that_ends_is_over(play: Play) -> None:
    trace = play("run(\"ping\", in); if (*in == 'q') exit(0);", b"a", b"q", b"b")
    assert (lines(trace), trace.ended) == ([b"ping a", b"ping q"], "ended")


def test_memory_that_is_shared_is_seen_by_parent_and_child(play: Play) -> None:
    text = r"""
#include <sys/mman.h>
int main(void) {
    int s = bound(SOCK_DGRAM), child;
    char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, KIND | MAP_ANONYMOUS, -1, 0);
    in[recv(s, in, 99, 0)] = 0;
    if (!(child = fork())) { strcpy(shared, in); _exit(0); }
    waitpid(child, NULL, 0);
    run("seen", shared);
    return 0;
}
"""
    assert lines(play(text.replace("KIND", "MAP_SHARED"), b"x")) == [b"seen x"]
    assert lines(play(text.replace("KIND", "MAP_PRIVATE"), b"x")) == [b"seen "]


def test_a_jump_back_goes_on_where_it_was_set(play: Play) -> None:
    text = r"""
#include <setjmp.h>
static jmp_buf back;
static void check(void) { if (strchr(in, ';')) longjmp(back, 5); run("good", in); }
int main(void) {
    int s = bound(SOCK_DGRAM);
    for (;;) {
        in[recv(s, in, 99, 0)] = 0;
        if (setjmp(back) == 5) { run("bad", ""); continue; }
        check();
    }
}
"""
    assert lines(play(text, b"a", b"b;", b"c")) == [b"good a", b"bad ", b"good c"]


QUEUES = {
    "of POSIX": r"""
#include <mqueue.h>
static int open_it(void) { return mq_open("/jobs", O_CREAT | O_RDWR, 0600, NULL); }
static void put(int q, const char *text) { mq_send(q, text, strlen(text), 0); }
static long take(int q, char *text) { return mq_receive(q, text, 8192, NULL); }
""",
    "of System V": r"""
#include <sys/msg.h>
struct message { long kind; char text[100]; };
static int open_it(void) { return msgget(77, IPC_CREAT | 0600); }
static void put(int q, const char *text) {
    struct message one = {1};
    strncpy(one.text, text, 99);
    msgsnd(q, &one, strlen(text), 0);
}
static long take(int q, char *text) {
    struct message one;
    long n = msgrcv(q, &one, 100, 1, 0);
    memcpy(text, one.text, n);
    return n;
}
""",
}
QUEUED = r"""
int main(void) {
    int q = open_it(), s;
    static char text[8193];
    if (!fork()) for (;;) { long n = take(q, text); text[n] = 0; run("child", text); }
    s = bound(SOCK_DGRAM);
    for (;;) { in[recv(s, in, 99, 0)] = 0; if (*in != 'n') put(q, in); }
}
"""


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
@pytest.mark.parametrize("queue", QUEUES)
def test_a_child_takes_what_its_parent_puts_into_a_queue(play: Play, queue: str, architecture: str) -> None:
    trace = play(QUEUES[queue] + QUEUED, b"one", b"not", b"two;", architecture=architecture)
    assert lines(trace) == [b"child one", b"child two;"]
