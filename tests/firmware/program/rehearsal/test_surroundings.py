"""The environment, files, numbers and callbacks: what a program puts down is there when it looks for it."""

import pytest
from tests.firmware.program.build import ARCHITECTURES

from customhouse.firmware.program.rehearsal.genomes import Genome

from .test_world_stage import Play, lines, play

__all__ = ["play"]

NUMBERS = r"""
    char line[200];
    double half = in[0] + 0.5;
    long long wide = 0x123456789abLL * in[0];
    snprintf(line, sizeof line, "%d %.2f %lld %s %g %llx %c", 5, half, wide, in, -half, wide, 'z');
    system(line);
"""
PRINTED = r"""
static void tell(const char *form, ...) {
    char line[200];
    va_list rest;
    va_start(rest, form);
    vsnprintf(line, sizeof line, form, rest);
    va_end(rest);
    system(line);
}
"""
LISTED = (
    "#include <stdarg.h>\n"
    + PRINTED
    + r"""
int main(void) {
    int s = bound(SOCK_DGRAM);
    long n;
    while ((n = recv(s, in, sizeof in - 1, 0)) > 0) {
        in[n] = 0;
        tell("%s %lld %d %.1f %s %lld %f", in, (long long)*in << 36, 7, *in * 0.5, "end", -1LL - *in, *in + 0.25);
    }
    return 0;
}
"""
)
READ = r"""
    char *end, line[200];
    long long wide = strtoll(in, &end, 0);
    double real = strtod(end, &end);
    unsigned long long big = strtoull(end, &end, 16);
    snprintf(line, sizeof line, "%lld %.3f %llu %d%s", wide, real * 2, big, atoi(in) + 1, end);
    system(line);
"""
SORTED = r"""
struct row { char name[6]; short rank; };
static int by_rank(const void *left, const void *right) {
    return ((const struct row *)left)->rank - ((const struct row *)right)->rank;
}
int main(void) {
    int s = bound(SOCK_DGRAM), i;
    long n;
    while ((n = recv(s, in, sizeof in - 1, 0)) > 0) {
        struct row rows[3] = {{"c", 0}, {"b", 0}, {"a", 0}}, key = {"", 2}, *found;
        char line[64] = "";
        for (i = 0; i < 3; i++) rows[i].rank = in[i] - '0';
        qsort(rows, 3, sizeof *rows, by_rank);
        for (i = 0; i < 3; i++) strcat(line, rows[i].name);
        found = bsearch(&key, rows, 3, sizeof *rows, by_rank);
        run(line, found ? found->name : "none");
    }
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_doubles_and_wide_numbers_are_passed_on(play: Play, architecture: str) -> None:
    wide = 0x123456789AB * ord("A")
    trace = play(NUMBERS, b"AB", architecture=architecture)
    assert lines(trace) == [f"5 65.50 {wide} AB -65.5 {wide:x} z".encode()]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_arguments_of_a_function_of_the_programs_own_are_passed_on(play: Play, architecture: str) -> None:
    trace = play(LISTED, b"A", architecture=architecture)
    assert lines(trace) == [f"A {65 << 36} 7 32.5 end -66 65.250000".encode()]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_numbers_of_64_bits_and_doubles_are_read(play: Play, architecture: str) -> None:
    trace = play(READ, b"-81985529216486895 1.625 ffffffffffff rest", architecture=architecture)
    # what atoi gives for a number that is too large is not said; its lower half here
    assert [one.split(b" ")[0:3] + one.split(b" ")[4:] for one in lines(trace)] == [
        [b"-81985529216486895", b"3.250", b"281474976710655", b"rest"]
    ]


def test_where_there_is_no_number_none_is_read(play: Play) -> None:
    assert lines(play(READ, b"none")) == [b"0 0.000 0 1none"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_rows_are_sorted_and_found_by_a_function_of_the_program(play: Play, architecture: str) -> None:
    trace = play(SORTED, b"312", b"123", b"543", architecture=architecture)
    assert lines(trace) == [b"bac a", b"cba b", b"abc none"]


# -- the environment
def test_a_variable_that_is_set_is_found_and_one_that_is_not_is_not(play: Play) -> None:
    trace = play(
        r"""
        setenv("TARGET", in, 1);
        putenv("OTHER=x=y");
        run(getenv("TARGET"), getenv("OTHER"));
        unsetenv("TARGET");
        run(getenv("TARGET") ? "there" : "gone", getenv("NEVER") ? "there" : "not there");
        """,
        b"host",
    )
    assert lines(trace) == [b"host x=y", b"gone not there"]
    assert trace.asked == {"TARGET", "OTHER", "NEVER"}


def test_a_variable_is_replaced_only_where_that_is_asked_for(play: Play) -> None:
    text = r"""
        setenv("A", "first", 1);
        setenv("A", in, 0);
        run("keep", getenv("A"));
        setenv("A", in, 1);
        run("set", getenv("A"));
    """
    assert lines(play(text, b"new")) == [b"keep first", b"set new"]


def test_the_environment_comes_from_outside(play: Play) -> None:
    text = 'int main(int n, char **a, char **e) { while (*e) run("env", *e++); run("get", getenv("B")); return 0; }'
    trace = play(text, genome=Genome((), (("A", b"1;"), ("B", b"2"))))
    assert lines(trace) == [b"env A=1;", b"env B=2", b"get 2"]


CGI = r"""
int main(void) {
    char *query = getenv("QUERY_STRING"), *length = getenv("CONTENT_LENGTH"), *method = getenv("REQUEST_METHOD");
    int n = length ? atoi(length) : 0;
    if (!query || !method) { system("no gateway"); return 1; }
    run(method, query);
    n = fread(in, 1, n < 500 ? n : 500, stdin);
    in[n] = 0;
    run("body", in);
    run(fgets(in, sizeof in, stdin) ? "more" : "end", "");
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
def test_a_gateway_program_finds_its_query_and_its_input(play: Play, architecture: str) -> None:
    trace = play(CGI, genome=Genome((b"host=a;b",), cgi=True), architecture=architecture)
    assert lines(trace) == [b"POST host=a;b", b"body host=a;b", b"end "]
    assert trace.ended == "ended"
    assert {"QUERY_STRING", "CONTENT_LENGTH"} <= trace.asked


def test_a_gateway_programs_variables_are_those_that_are_sent(play: Play) -> None:
    genome = Genome((b"body",), (("REQUEST_METHOD", b"GET"), ("QUERY_STRING", b"q=1")), cgi=True)
    assert lines(play(CGI, genome=genome)) == [b"GET q=1", b"body body", b"end "]


def test_a_program_that_no_web_server_starts_has_no_query(play: Play) -> None:
    assert set(lines(play(CGI, b"host=a"))) == {b"no gateway"}


# -- arguments
def test_a_program_that_does_not_start_without_arguments_is_given_some(play: Play) -> None:
    text = r"""
    int main(int count, char **given) {
        int s;
        if (count < 2) return 1;
        s = bound(SOCK_DGRAM);
        in[recv(s, in, sizeof in - 1, 0)] = 0;
        run(strrchr(given[0], '/') ? "given" : "none", in);
        return 0;
    }
    """
    assert lines(play(text, b"x")) == [b"given x"]


def test_a_program_that_starts_without_arguments_is_given_none(play: Play) -> None:
    text = "int main(int count, char **given) { int s = bound(SOCK_DGRAM); in[recv(s, in, 99, 0)] = 0; "
    assert lines(play(text + 'run(count > 1 ? "some" : "none", in); return 0; }', b"x")) == [b"none x"]


# -- files by their names
def test_a_file_that_is_renamed_or_removed_is_no_longer_there(play: Play) -> None:
    text = r"""
        char line[64];
        close(open("/tmp/a", O_CREAT | O_WRONLY, 0600));
        rename("/tmp/a", "/tmp/b");
        sprintf(line, "%d %d", access("/tmp/a", F_OK), access("/tmp/b", F_OK));
        run("renamed", line);
        unlink("/tmp/b");
        sprintf(line, "%d %d", access("/tmp/b", F_OK), errno == ENOENT);
        run("removed", line);
    """
    assert lines(play(text, b"x")) == [b"renamed -1 0", b"removed -1 1"]


def test_memory_that_is_asked_for_is_there_and_grows(play: Play) -> None:
    text = r"""
        char *text = malloc(4), *other = calloc(1, 8);
        strcpy(text, "abc");
        text = realloc(text, 300);
        strcat(text, in);
        free(other);
        run(strdup(text), *other ? "dirty" : "clean");
    """
    assert lines(play(text, b"x" * 200)) == [b"abc" + b"x" * 200 + b" clean"]


def test_the_clock_stands_at_a_day_and_goes_on_when_one_sleeps(play: Play) -> None:
    text = r"""
        char line[64], day[32];
        time_t before = time(NULL);
        struct tm *told = gmtime(&before);
        strftime(day, sizeof day, "%Y-%m-%d", told);
        sleep(10);
        sprintf(line, "%s %d %d", day, time(NULL) - before >= 10, time(NULL) - before > 20);
        run("at", line);
    """
    assert lines(play(text, b"x")) == [b"at 2023-11-15 1 0"]
