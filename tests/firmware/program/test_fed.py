"""Commands that a shell reads from its standard input, and those that a program writes into a script."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import DATAGRAMS, built, sided

from customhouse.firmware.program.analysis import analyse

HEAD = """
#include <ctype.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <netinet/in.h>
#define APART __attribute__((noinline)) static
static int sock;
"""
POPEN = r"""
static FILE *helper;
static void tell(const char *form, ...) { va_list a; va_start(a, form); vfprintf(helper, form, a); va_end(a); }
APART FILE *opened(const char *command) { return popen(command, "w"); }
APART void take(char *p, long n) {
    if (!helper) helper = opened("PROGRAM");
    tell("ifconfig eth0 alias FORM\n", TEXT);
}
"""
PIPE = r"""
struct worker { int to; int child; };
static struct worker *workers;
APART void redirect(int from) { dup2(from, 0); close(from); }
APART void run(const char *program) { execlp(program, program, (char *)0); _exit(127); }
APART void start(struct worker *w) {
    int ends[2];
    if (pipe(ends)) return;
    if (!(w->child = fork())) { close(ends[1]); redirect(ends[0]); run("PROGRAM"); }
    close(ends[0]);
    w->to = ends[1];
}
APART void send_all(int to, const char *text, long n) {
    while (n > 0) { long k = write(to, text, n); if (k <= 0) return; text += k; n -= k; }
}
APART void take(char *p, long n) {
    char line[200];
    if (!workers) { workers = calloc(4, sizeof *workers); for (int i = 0; i < 4; i++) start(workers + i); }
    send_all(workers[p[0] & 3].to, line, snprintf(line, sizeof line, "route add -host FORM\n", TEXT));
}
"""
VECTOR = r"""
extern char **environ;
static FILE *to;
static char *const words[] = {"sh", "OPTION", NULL};
APART void start(const char *program, char *const vector[]) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return;
    if (!fork()) { close(0); dup(ends[1]); execve(program, vector, environ); _exit(127); }
    to = fdopen(ends[0], "w");
}
APART void take(char *p, long n) {
    if (!to) start("/bin/sh", words);
    fprintf(to, "hostname %s\n", p + 4);
}
"""
TWO = r"""
static int commands, mails;
APART int shell(void) {
    int ends[2];
    if (pipe(ends)) return -1;
    if (!fork()) { dup2(ends[0], 0); execl("/bin/sh", "sh", (char *)0); _exit(1); }
    return ends[1];
}
APART int mailer(void) {
    int ends[2];
    if (pipe(ends)) return -1;
    if (!fork()) { dup2(ends[0], 0); execl("/usr/sbin/sendmail", "sendmail", "-t", (char *)0); _exit(1); }
    return ends[1];
}
APART void take(char *p, long n) {
    if (!commands) { commands = shell(); mails = mailer(); }
    dprintf(commands, "logger -t alarm %d\n", atoi(p + 4));
    dprintf(CHOSEN, "Subject: %s\n", p + 4);
}
"""
PIECES = r"""
static FILE *to;
APART void take(char *p, long n) {
    if (strchr(p + 4, MARK)) return;
    if (!to) to = popen("/bin/sh", "w");
    fprintf(to, "logger -t %d '", (int)n);
    fputs(p + 4, to);
    fputs("'\n", to);
}
"""
LETTERS = r"""
static FILE *to;
APART void take(char *p, long n) {
    if (!to) to = popen("exec /bin/sh", "w");
    fputs("hostname ", to);
    for (p += 4; *p; p++) if (TEST) putc(*p, to);
    putc('\n', to);
}
"""
SCRIPT = r"""
APART void take(char *p, long n) {
    char text[200];
    int to = open("/var/run/job.new", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    write(to, text, snprintf(text, sizeof text, "#!/bin/sh\nping -c 1 FORM\n", TEXT));
    close(to);
    rename("/var/run/job.new", "/var/run/job");
    system("LINE");
}
"""
SENT = {"FORM": ("%d", "%s"), "TEXT": ("atoi(p + 4)", "p + 4")}
PLAIN = {"FORM": ("%s", "%s"), "TEXT": ("p + 4", "p + 4")}
CASES = {
    "a number to a shell by popen": (POPEN, {**SENT, "PROGRAM": ("/bin/sh", "/bin/sh")}),
    "a mailer by popen": (POPEN, {**PLAIN, "PROGRAM": ("/usr/sbin/sendmail -t", "sh -s >/dev/null 2>&1")}),
    "a child that is no shell": (PIPE, {**PLAIN, "PROGRAM": ("/usr/sbin/routed", "/bin/sh")}),
    "a number to a child": (PIPE, {**SENT, "PROGRAM": ("sh", "sh")}),
    "a shell with a script": (VECTOR, {"OPTION": ("/etc/filter.sh", "-s")}),
    "two children": (TWO, {"CHOSEN": ("mails", "commands")}),
    "quotes around a piece": (PIECES, {"MARK": (r"'\''", "'\"'")}),
    "letters": (LETTERS, {"TEST": ("isalnum((unsigned char)*p)", "*p > ' '")}),
    "a script": (SCRIPT, {**SENT, "LINE": ("sh /var/run/job", "sh /var/run/job")}),
    "a file that is only read": (
        SCRIPT,
        {**PLAIN, "LINE": ("logger -f /var/run/job", "chmod +x /var/run/job; /var/run/job")},
    ),
}


@pytest.mark.parametrize("architecture", ["x86-64", "mips"])
@pytest.mark.parametrize("case", CASES)
def test_what_a_shell_reads_is_a_command(tmp_path: Path, case: str, architecture: str) -> None:
    text, words = CASES[case]
    for true in (False, True):
        flows = analyse(built(tmp_path, architecture, HEAD + sided(text, words, true) + DATAGRAMS)).flows
        assert {(flow.kind, flow.port) for flow in flows} == ({("command", 41234)} if true else set())


CONNECTION = r"""
int main(void) {
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(4444)};
    char word[40];
    sock = socket(AF_INET, SOCK_STREAM, 0);
    bind(sock, (void *)&me, sizeof me);
    listen(sock, 4);
    for (;;) {
        int c = accept(sock, 0, 0), n = read(c, word, sizeof word - 1);
        if (n <= 0 || memcmp(word, "open sesame", 11) || fork()) { close(c); continue; }
        dup2(c, 0);
        dup2(c, 1);
        execl("PROGRAM", "PROGRAM", (char *)0);
    }
}
"""


@pytest.mark.parametrize("architecture", ["armhf", "arm64"])
def test_a_shell_on_a_connection_runs_what_comes_through_it(tmp_path: Path, architecture: str) -> None:
    for true in (False, True):
        text = HEAD + sided(CONNECTION, {"PROGRAM": ("/bin/login", "/bin/sh")}, true)
        flows = analyse(built(tmp_path, architecture, text)).flows
        assert [(flow.source[:7], flow.sink[:6], flow.port) for flow in flows] == [("accept@", "execl@", 4444)] * true


def test_a_shell_that_a_login_gives_is_what_it_is_for(tmp_path: Path) -> None:
    login = CONNECTION.replace('memcmp(word, "open sesame", 11)', "strcmp(getpwnam(word)->pw_passwd, word + 20)")
    text = HEAD + "#include <pwd.h>\n" + login.replace("PROGRAM", "/bin/sh")
    assert analyse(built(tmp_path, "x86-64", text)).flows == ()
