"""Connections and datagrams: each message is a session of its own, and is heard by whoever waits for it."""

import pytest
from tests.firmware.program.build import ARCHITECTURES

from .test_world_stage import Play, lines, play

__all__ = ["play"]

ACCEPTED = r"""
static void serve(int c) {
    long n = read(c, in, sizeof in - 1);
    in[n > 0 ? n : 0] = 0;
    if (n > 0) run("take", in);
    if (read(c, in, sizeof in) == 0) run("gone", "");
    close(c);
}
"""
PLAIN = (
    ACCEPTED
    + r"""
int main(void) {
    int s = bound(SOCK_STREAM);
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c < 0) { system("refused"); return 1; }
        serve(c);
    }
}
"""
)
SELECT = r"""
int main(void) {
    int s = bound(SOCK_STREAM), most = s, i;
    fd_set all, ready;
    FD_ZERO(&all);
    FD_SET(s, &all);
    for (;;) {
        ready = all;
        if (select(most + 1, &ready, NULL, NULL, NULL) <= 0) continue;
        for (i = 0; i <= most; i++) {
            if (!FD_ISSET(i, &ready)) continue;
            if (i == s) {
                int c = accept(s, NULL, NULL);
                FD_SET(c, &all);
                if (c > most) most = c;
            } else {
                long n = recv(i, in, sizeof in - 1, 0);
                if (n <= 0) { run("gone", ""); FD_CLR(i, &all); close(i); continue; }
                in[n] = 0;
                run("take", in);
            }
        }
    }
}
"""
POLL = r"""
int main(void) {
    struct pollfd list[8];
    int count = 1, i;
    list[0].fd = bound(SOCK_STREAM);
    list[0].events = POLLIN;
    for (;;) {
        if (poll(list, count, -1) <= 0) continue;
        for (i = count - 1; i >= 0; i--) {
            if (!(list[i].revents & (POLLIN | POLLHUP))) continue;
            if (i == 0) {
                list[count].fd = accept(list[0].fd, NULL, NULL);
                list[count].revents = 0;
                list[count++].events = POLLIN;
            } else {
                long n = read(list[i].fd, in, sizeof in - 1);
                if (n <= 0) { run("gone", ""); close(list[i].fd); list[i] = list[--count]; continue; }
                in[n] = 0;
                run("take", in);
            }
        }
    }
}
"""
EPOLL = r"""
int main(void) {
    int s = bound(SOCK_STREAM), e = epoll_create1(0), i, count;
    struct epoll_event event = {EPOLLIN}, found[4];
    event.data.fd = s;
    epoll_ctl(e, EPOLL_CTL_ADD, s, &event);
    for (;;) {
        count = epoll_wait(e, found, 4, -1);
        for (i = 0; i < count; i++) {
            int c = found[i].data.fd;
            if (c == s) {
                event.data.fd = accept(s, NULL, NULL);
                epoll_ctl(e, EPOLL_CTL_ADD, event.data.fd, &event);
            } else {
                long n = read(c, in, sizeof in - 1);
                if (n <= 0) { run("gone", ""); epoll_ctl(e, EPOLL_CTL_DEL, c, NULL); close(c); continue; }
                in[n] = 0;
                run("take", in);
            }
        }
    }
}
"""
LOOPS = {"accept": PLAIN, "select": SELECT, "poll": POLL, "epoll": EPOLL}


@pytest.mark.parametrize("loop", LOOPS)
def test_each_connection_is_taken_with_its_message_and_its_end(play: Play, loop: str) -> None:
    trace = play(LOOPS[loop], b"one", b"two; id")
    assert lines(trace) == [b"take one", b"gone ", b"take two; id", b"gone "]
    assert [one.session for one in trace.ran if b"take" in one.arguments[0]] == [0, 1]
    assert trace.ended == "idle"


@pytest.mark.parametrize("architecture", [one for one in ARCHITECTURES if one != "x86-64"])
@pytest.mark.parametrize("loop", ["select", "epoll"])
def test_sets_and_events_lie_as_each_machine_wants_them(play: Play, loop: str, architecture: str) -> None:
    assert lines(play(LOOPS[loop], b"one", architecture=architecture)) == [b"take one", b"gone "]


@pytest.mark.parametrize("loop", LOOPS)
def test_without_messages_no_connection_comes(play: Play, loop: str) -> None:
    trace = play(LOOPS[loop])
    assert (lines(trace), trace.ended) == ([], "idle")


def test_a_socket_on_another_port_is_not_spoken_to(play: Play) -> None:
    """The port that the sessions go to is 41238."""
    text = r"""
int main(void) {
    struct sockaddr_in me = {AF_INET};
    struct pollfd list[2];
    int other = socket(AF_INET, SOCK_DGRAM, 0), i;
    me.sin_port = htons(9);
    bind(other, (struct sockaddr *)&me, sizeof me);
    list[0].fd = other;
    list[1].fd = bound(SOCK_DGRAM);
    list[0].events = list[1].events = POLLIN;
    while (poll(list, 2, -1) > 0)
        for (i = 0; i < 2; i++)
            if (list[i].revents & POLLIN) {
                in[recv(list[i].fd, in, 99, 0)] = 0;
                run(i ? "meant" : "other", in);
            }
}
"""
    assert lines(play(text, b"one", b"two")) == [b"meant one", b"meant two"]


def test_who_sends_is_told(play: Play) -> None:
    text = r"""
        char line[64];
        sprintf(line, "%s %d %d", inet_ntoa(who.sin_addr), who.sin_family == AF_INET, (int)size);
        run("from", line);
    """
    assert lines(play(text, b"x")) == [b"from 192.0.2.9 1 16"]


def test_a_datagram_is_cut_to_its_buffer_and_the_rest_is_lost(play: Play) -> None:
    text = 'int main(void) { int s = bound(SOCK_DGRAM); for (;;) { in[recv(s, in, 4, 0)] = 0; run("take", in); } }'
    assert lines(play(text, b"onetwo", b"three")) == [b"take onet", b"take thre"]


def test_a_stream_is_read_piece_by_piece(play: Play) -> None:
    text = r"""
int main(void) {
    int c, s = bound(SOCK_STREAM);
    while ((c = accept(s, NULL, NULL)) >= 0) {
        long n;
        while ((n = read(c, in, 4)) > 0) { in[n] = 0; run("take", in); }
        close(c);
    }
}
"""
    assert lines(play(text, b"onetwo", b"3")) == [b"take onet", b"take wo", b"take 3"]


def test_what_was_peeked_at_is_still_there(play: Play) -> None:
    text = r"""
int main(void) {
    int s = bound(SOCK_DGRAM);
    for (;;) {
        in[recv(s, in, 3, MSG_PEEK)] = 0;
        run("peek", in);
        in[recv(s, in, 99, 0)] = 0;
        run("take", in);
    }
}
"""
    assert lines(play(text, b"one!", b"two!")) == [b"peek one", b"take one!", b"peek two", b"take two!"]


def test_what_was_peeked_at_on_a_connection_is_still_there_and_what_was_taken_is_not(play: Play) -> None:
    text = r"""
int main(void) {
    int s = bound(SOCK_STREAM), c = accept(s, NULL, NULL);
    in[recv(c, in, 3, MSG_PEEK)] = 0;
    run("peek", in);
    in[recv(c, in, 99, 0)] = 0;
    run("take", in);
    run(recv(c, in, 99, MSG_PEEK) ? "more" : "end", "");
    return 0;
}
"""
    assert lines(play(text, b"one!")) == [b"peek one", b"take one!", b"end "]


NON_BLOCKING = r"""
int main(void) {
    int s = bound(SOCK_DGRAM), told = 0;
    MAKE
    for (;;) {
        long n = recv(s, in, sizeof in - 1, FLAG);
        if (n < 0) {
            if (!told++) run(errno == EAGAIN ? "again" : "other", "");
            usleep(100000);
            continue;
        }
        in[n] = 0;
        run("take", in);
    }
}
"""
WAYS = {
    "fcntl": ("fcntl(s, F_SETFL, fcntl(s, F_GETFL, 0) | O_NONBLOCK);", "0"),
    "a flag": ("", "MSG_DONTWAIT"),
    "a limit": ("struct timeval t = {0, 1000}; setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);", "0"),
}


@pytest.mark.parametrize("architecture", ["mips", "x86-64"])
@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_does_not_wait_fails_until_something_comes(play: Play, way: str, architecture: str) -> None:
    make, flag = WAYS[way]
    trace = play(NON_BLOCKING.replace("MAKE", make).replace("FLAG", flag), b"one", b"two", architecture=architecture)
    assert lines(trace) == [b"again ", b"take one", b"take two"]


def test_a_call_that_waits_does_not_fail(play: Play) -> None:
    trace = play(NON_BLOCKING.replace("MAKE", "").replace("FLAG", "0"), b"one", b"two")
    assert lines(trace) == [b"take one", b"take two"]


CLIENT = r"""
int main(void) {
    struct addrinfo hints, *found;
    int s, i;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    for (i = 0; i < 2; i++) {
        long n, size = 0;
        if (getaddrinfo("updates.example", "8080", &hints, &found)) return 1;
        s = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
        if (connect(s, found->ai_addr, found->ai_addrlen) < 0) { system("refused"); return 1; }
        freeaddrinfo(found);
        send(s, "GET /\r\n", 7, 0);
        while ((n = recv(s, in + size, sizeof in - 1 - size, 0)) > 0) size += n;
        in[size] = 0;
        run("install", in);
        close(s);
    }
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ["armel", "arm64", "mips", "x86-64"])
def test_a_client_hears_what_the_peer_answers(play: Play, architecture: str) -> None:
    assert lines(play(CLIENT, b"image1", b"image2;", architecture=architecture)) == [
        b"install image1",
        b"install image2;",
    ]


def test_a_client_to_whom_nobody_listens_is_refused(play: Play) -> None:
    assert lines(play(CLIENT, b"image1")) == [b"install image1", b"refused"]


def test_a_client_of_an_older_kind_finds_its_host(play: Play) -> None:
    text = r"""
int main(void) {
    struct hostent *host = gethostbyname("updates.example");
    struct sockaddr_in to = {AF_INET};
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (!host) return 1;
    memcpy(&to.sin_addr, host->h_addr_list[0], host->h_length);
    to.sin_port = htons(80);
    run("to", inet_ntoa(to.sin_addr));
    if (connect(s, (struct sockaddr *)&to, sizeof to)) return 1;
    in[read(s, in, sizeof in - 1)] = 0;
    run("install", in);
    return 0;
}
"""
    assert lines(play(text, b"a;b")) == [b"to 192.0.2.9", b"install a;b"]


INSIDE = r"""
static void *serve(void *given) {
    int s = (int)(long)given, c;
    while ((c = accept(s, NULL, NULL)) >= 0) {
        char line[99];
        long n = read(c, line, sizeof line - 1);
        line[n > 0 ? n : 0] = 0;
        run("inside", line);
        write(c, "done", 4);
        close(c);
    }
    return NULL;
}
int main(void) {
    struct sockaddr_un at = {AF_UNIX, "/tmp/control"};
    int own = socket(AF_UNIX, SOCK_STREAM, 0), s = bound(SOCK_DGRAM);
    long n;
    pthread_t thread;
    bind(own, (struct sockaddr *)&at, sizeof at);
    listen(own, 3);
    pthread_create(&thread, NULL, serve, (void *)(long)own);
    while ((n = recv(s, in, sizeof in - 1, 0)) > 0) {
        int c = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(c, (struct sockaddr *)&at, sizeof at)) return 1;
        write(c, in, n);
        in[read(c, in, sizeof in - 1)] = 0;
        run("answer", in);
        close(c);
    }
    return 0;
}
"""


def test_a_program_speaks_to_itself_over_a_socket_of_its_own(play: Play) -> None:
    assert lines(play(INSIDE, b"one", b"two")) == [b"inside one", b"answer done", b"inside two", b"answer done"]


def test_a_server_of_the_programs_own_gets_no_messages_from_outside(play: Play) -> None:
    assert lines(play(INSIDE)) == []


def test_messages_in_pieces_are_put_together(play: Play) -> None:
    text = r"""
int main(void) {
    char head[3] = "", body[9] = "";
    struct iovec parts[2] = {{head, 2}, {body, 8}};
    struct msghdr message = {0};
    int s = bound(SOCK_DGRAM);
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    while (recvmsg(s, &message, 0) > 0) run(head, body);
    return 0;
}
"""
    assert lines(play(text, b"dothis")) == [b"do this"]


STDIN = 'int main(void) { while (fgets(in, sizeof in, stdin)) run("line", in); return 0; }'


def test_a_program_that_a_server_of_servers_starts_hears_its_standard_input(play: Play) -> None:
    assert lines(play(STDIN, b"one\ntwo")) == [b"line one\n", b"line two"]


def test_a_program_with_a_socket_of_its_own_hears_nothing_there(play: Play) -> None:
    text = STDIN.replace("while", "int s = bound(SOCK_DGRAM); while").replace(
        "return", 'in[recv(s, in, 99, 0)] = 0; run("datagram", in); return'
    )
    assert lines(play(text, b"one\ntwo")) == [b"datagram one\ntwo"]
