"""Streams: files that are written are read back, lines are read from sockets, and commands are written to."""

import pytest
from tests.firmware.program.build import ARCHITECTURES

from .test_processes import told
from .test_world_stage import Play, lines, play

__all__ = ["play"]

KEPT = r"""
    char line[200], name[64];
    int number = 0;
    FILE *f = fopen("/etc/device.conf", "a");
    fprintf(f, "name=%s\n", in);
    fputs("port=", f);
    fprintf(f, "%d%c", 8000 + (int)strlen(in), '\n');
    fclose(f);
    f = fopen("/etc/device.conf", "r");
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "port=%d", &number) == 1) { sprintf(name, "%d", number + 1); run("port", name); }
        else if (sscanf(line, "name=%63s", name) == 1) run("name", name);
    }
    run(feof(f) ? "end" : "more", "");
    fclose(f);
"""
LINES = r"""
int main(void) {
    int s = bound(SOCK_STREAM), c;
    while ((c = accept(s, NULL, NULL)) >= 0) {
        FILE *f = fdopen(c, "r+");
        char *line = NULL;
        size_t room = 0;
        long n;
        while ((n = getline(&line, &room, f)) > 0) {
            if (line[n - 1] == '\n') line[n - 1] = 0;
            run("line", line);
            fprintf(f, "ok %s\n", line);
        }
        free(line);
        fclose(f);
    }
}
"""
PIPED = r"""
    FILE *shell = popen("sh", "w");
    fprintf(shell, "ping %s\n", in);
    fputs("id\n", shell);
    fwrite("ls", 1, 2, shell);
    fputc('!', shell);
    pclose(shell);
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_file_that_is_written_is_read_back(play: Play, architecture: str) -> None:
    trace = play(KEPT, b"one", b"four", architecture=architecture)
    first = [b"name one", b"port 8004"]
    assert lines(trace) == [*first, b"end ", *first, b"name four", b"port 8005", b"end "]
    assert {one.name for one in trace.ran} == {"system"}


def test_a_file_that_is_opened_anew_holds_nothing_of_before(play: Play) -> None:
    trace = play(KEPT.replace('"a"', '"w"'), b"one", b"four")
    assert lines(trace) == [b"name one", b"port 8004", b"end ", b"name four", b"port 8005", b"end "]


def test_a_file_that_nobody_wrote_is_not_there(play: Play) -> None:
    text = 'FILE *f = fopen(in, "r"); run(f ? "there" : errno == ENOENT ? "none" : "other", in);'
    assert lines(play(text, b"/etc/passwd", b"/proc/cpuinfo")) == [b"none /etc/passwd", b"none /proc/cpuinfo"]


def test_a_place_in_a_file_is_gone_to(play: Play) -> None:
    text = r"""
    char line[64], part[9] = "";
    FILE *f = fopen("/tmp/f", "w+");
    fwrite(in, 1, strlen(in), f);
    fseek(f, -3, SEEK_END);
    sprintf(line, "%ld", ftell(f));
    fread(part, 1, 2, f);
    run(line, part);
    rewind(f);
    part[0] = fgetc(f);
    ungetc('X', f);
    part[1] = fgetc(f);
    run("first", part);
    fclose(f);
    """
    assert lines(play(text, b"abcdef")) == [b"3 de", b"first aX"]


@pytest.mark.parametrize("architecture", ["armel", "arm64", "mips", "x86-64"])
def test_a_file_of_descriptors_is_read_back(play: Play, architecture: str) -> None:
    text = r"""
    char back[99] = "";
    int f = open("/tmp/f", O_CREAT | O_TRUNC | O_RDWR, 0600), g;
    write(f, in, strlen(in));
    lseek(f, 1, SEEK_SET);
    read(f, back, 98);
    close(f);
    run("back", back);
    run("closed", write(f, "x", 1) < 0 && errno == EBADF ? "yes" : "no");
    g = open("/tmp/f", O_WRONLY | O_APPEND);
    write(g, "+", 1);
    close(g);
    f = open("/tmp/f", O_RDONLY);
    back[read(f, back, 98)] = 0;
    close(f);
    run("all", back);
    run("again", open("/tmp/f", O_CREAT | O_EXCL | O_RDWR, 0600) < 0 && errno == EEXIST ? "no" : "yes");
    """
    assert lines(play(text, b"abc", architecture=architecture)) == [b"back bc", b"closed yes", b"all abc+", b"again no"]


def test_lines_are_read_from_a_connection(play: Play) -> None:
    trace = play(LINES, b"one\ntwo; id\nrest", b"three\n")
    assert lines(trace) == [b"line one", b"line two; id", b"line rest", b"line three"]


@pytest.mark.parametrize("architecture", [one for one in ARCHITECTURES if one != "x86-64"])
def test_a_line_that_is_long_is_given_more_room(play: Play, architecture: str) -> None:
    trace = play(LINES, b"x" * 300 + b"\nshort\n", architecture=architecture)
    assert lines(trace) == [b"line " + b"x" * 300, b"line short"]


def test_a_line_is_cut_to_its_buffer_and_its_rest_comes_next(play: Play) -> None:
    text = r"""
int main(void) {
    char line[6];
    FILE *f = fdopen(accept(bound(SOCK_STREAM), NULL, NULL), "r");
    while (fgets(line, sizeof line, f)) run("part", line);
    return 0;
}
"""
    assert lines(play(text, b"abcdefg\nh")) == [b"part abcde", b"part fg\n", b"part h"]


@pytest.mark.parametrize("architecture", ["armel", "arm64", "mips", "x86-64"])
def test_what_is_written_to_a_command_is_told(play: Play, architecture: str) -> None:
    trace = play(PIPED, b"a;b", architecture=architecture)
    given = [one.arguments[0] for one in trace.ran]
    assert given[0] == b"sh"
    assert b"".join(given[1:]) == b"ping a;b\nid\nls!"
    assert told(trace)[0] == ("popen", (b"sh",))


def test_what_is_written_to_a_file_is_not_told(play: Play) -> None:
    trace = play(PIPED.replace('popen("sh"', 'fopen("/tmp/f"').replace("pclose", "fclose"), b"a;b")
    assert trace.ran == ()


def test_a_command_that_is_read_from_says_nothing(play: Play) -> None:
    text = r"""
    char line[99];
    FILE *f = popen(in, "r");
    if (!f) continue;
    run(fgets(line, sizeof line, f) ? "said" : "silent", in);
    pclose(f);
    """
    assert told(play(text, b"ls")) == [("popen", (b"ls",)), ("system", (b"silent ls",))]


def test_a_descriptor_that_is_doubled_stands_for_the_same(play: Play) -> None:
    text = r"""
    char back[99];
    int f = open("/tmp/f", O_CREAT | O_TRUNC | O_RDWR, 0600), g = dup(f);
    dprintf(f, "%s %d", in, 7);
    close(f);
    lseek(g, 0, SEEK_SET);
    dup2(g, 30);
    close(g);
    back[read(30, back, 98)] = 0;
    close(30);
    run("back", back);
    """
    assert lines(play(text, b"abc")) == [b"back abc 7"]


def test_a_text_is_read_like_a_file(play: Play) -> None:
    text = r"""
    char word[64];
    FILE *f = fmemopen(in, strlen(in), "r");
    while (fscanf(f, "%63s", word) == 1) run("word", word);
    fclose(f);
    """
    assert lines(play(text, b"one  two\nthree")) == [b"word one", b"word two", b"word three"]


def test_what_is_printed_for_a_person_is_no_command(play: Play) -> None:
    text = 'printf("%s\\n", in); fprintf(stderr, "%s", in); puts(in); fflush(stdout); perror(in);'
    assert play(text, b"a;b").ran == ()


def test_what_is_written_in_the_middle_of_a_file_replaces_what_was_there(play: Play) -> None:
    text = r"""
    char back[99] = "";
    int f = open("/tmp/f", O_CREAT | O_TRUNC | O_RDWR, 0600);
    write(f, "abcdef", 6);
    lseek(f, 2, SEEK_SET);
    write(f, in, strlen(in));
    lseek(f, 0, SEEK_SET);
    read(f, back, 98);
    close(f);
    run("back", back);
    """
    assert lines(play(text, b"XY", b"12345")) == [b"back abXYef", b"back ab12345"]


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
@pytest.mark.parametrize("wide", ["", "64"])
def test_what_is_written_and_read_at_a_place_leaves_the_file_where_it_was(
    play: Play, architecture: str, wide: str
) -> None:
    text = r"""
    char back[9] = "";
    int f = open("/tmp/f", O_CREAT | O_TRUNC | O_RDWR, 0600);
    write(f, in, strlen(in));
    pwriteWIDE(f, "XY", 2, 3);
    write(f, "!", 1);
    back[preadWIDE(f, back, 5, 2)] = 0;
    run("part", back);
    run("pipe", pwriteWIDE(0, "x", 1, 0) < 0 && errno == ESPIPE ? "no" : "yes");
    """
    assert lines(play(text.replace("WIDE", wide), b"abcdef", architecture=architecture)) == [b"part cXYf!", b"pipe no"]
