"""Threads take turns: what one puts down under a lock, another finds, and time passes when none has anything to do."""

import pytest

from .test_world_stage import Play, lines, play

__all__ = ["play"]

QUEUE = r"""
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct job { struct job *next; char text[64]; } *first, **last = &first;
static void *work(void *name) {
    for (;;) {
        struct job *job;
        pthread_mutex_lock(&lock);
        while (!first) pthread_cond_wait(&more, &lock);
        job = first;
        if (!(first = job->next)) last = &first;
        pthread_mutex_unlock(&lock);
        run(name, job->text);
        free(job);
    }
}
static void *receive(void *unused) {
    int s = bound(SOCK_DGRAM);
    long n;
    while ((n = recv(s, in, sizeof in - 1, 0)) > 0) {
        struct job *job = calloc(1, sizeof *job);
        in[n] = 0;
        strncpy(job->text, in, sizeof job->text - 1);
        pthread_mutex_lock(&lock);
        *last = job;
        last = &job->next;
        TELL
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}
int main(void) {
    pthread_t receiver, worker;
    pthread_create(&worker, NULL, work, "work");
    pthread_create(&receiver, NULL, receive, NULL);
    pthread_join(receiver, NULL);
    return 0;
}
"""
RING = r"""
static sem_t used, empty;
static char ring[4][64];
static void *work(void *unused) {
    int at = 0;
    for (;;) {
        sem_wait(&used);
        run("work", ring[at++ % 4]);
        sem_post(&empty);
    }
}
int main(void) {
    pthread_t worker;
    int s = bound(SOCK_DGRAM), at = 0;
    sem_init(&used, 0, 0);
    sem_init(&empty, 0, 4);
    pthread_create(&worker, NULL, work, NULL);
    for (;;) {
        long n = recv(s, in, 63, 0);
        in[n > 0 ? n : 0] = 0;
        sem_wait(&empty);
        strcpy(ring[at++ % 4], in);
        TELL
    }
}
"""
PER_CONNECTION = r"""
static void *serve(void *given) {
    char text[64] = "";
    int c = *(int *)given;
    free(given);
    if (read(c, text, sizeof text - 1) > 0) run("thread", text);
    while (read(c, text, sizeof text) > 0) ;
    close(c);
    return NULL;
}
int main(void) {
    int s = bound(SOCK_STREAM);
    for (;;) {
        pthread_t thread;
        int *c = malloc(sizeof *c);
        *c = accept(s, NULL, NULL);
        pthread_create(&thread, NULL, serve, c);
        pthread_detach(thread);
    }
}
"""


@pytest.mark.parametrize("architecture", ["armel", "arm64", "mips", "x86-64"])
def test_a_worker_takes_what_the_receiver_put_into_its_queue(play: Play, architecture: str) -> None:
    text = QUEUE.replace("TELL", "pthread_cond_signal(&more);")
    assert lines(play(text, b"one", b"two", architecture=architecture)) == [b"work one", b"work two"]


def test_a_worker_who_is_not_told_waits_on(play: Play) -> None:
    assert lines(play(QUEUE.replace("TELL", ""), b"one", b"two")) == []


def test_a_worker_takes_what_a_semaphore_counts(play: Play) -> None:
    trace = play(RING.replace("TELL", "sem_post(&used);"), b"one", b"two", b"3", b"4", b"5")
    assert lines(trace) == [b"work one", b"work two", b"work 3", b"work 4", b"work 5"]


def test_a_semaphore_that_nobody_raises_is_waited_for(play: Play) -> None:
    assert lines(play(RING.replace("TELL", ""), b"one", b"two")) == []


def test_each_connection_has_its_thread(play: Play) -> None:
    assert lines(play(PER_CONNECTION, b"one", b"two", b"three")) == [b"thread one", b"thread two", b"thread three"]


def test_a_mutex_that_is_held_keeps_others_out(play: Play) -> None:
    text = r"""
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *other(void *unused) {
    run(pthread_mutex_trylock(&lock) == EBUSY ? "busy" : "free", in);
    pthread_mutex_lock(&lock);
    run("other", in);
    pthread_mutex_unlock(&lock);
    return "back";
}
int main(void) {
    pthread_t thread;
    int s = bound(SOCK_DGRAM);
    in[recv(s, in, 99, 0)] = 0;
    pthread_mutex_lock(&lock);
    pthread_create(&thread, NULL, other, NULL);
    sleep(5);
    run("holder", in);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    run("joined", in);
    return 0;
}
"""
    assert lines(play(text, b"x")) == [b"busy x", b"holder x", b"other x", b"joined x"]


TIMED = r"""
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static void *wait_for(void *unused) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 30;
    pthread_mutex_lock(&lock);
    run(pthread_cond_timedwait(&more, &lock, &end) == ETIMEDOUT ? "late" : "told", in);
    pthread_mutex_unlock(&lock);
    return NULL;
}
int main(void) {
    pthread_t thread;
    int s = bound(SOCK_DGRAM);
    in[recv(s, in, 99, 0)] = 0;
    pthread_create(&thread, NULL, wait_for, NULL);
    sleep(1);
    if (*in == 't') pthread_cond_broadcast(&more);
    pthread_join(thread, NULL);
    return 0;
}
"""


@pytest.mark.parametrize(("message", "told"), [(b"t", b"told t"), (b"l", b"late l")])
def test_a_condition_that_is_waited_for_with_a_limit(play: Play, message: bytes, told: bytes) -> None:
    assert lines(play(TIMED, message)) == [told]


def test_what_is_a_threads_own_is_not_another_ones(play: Play) -> None:
    text = r"""
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void make(void) { pthread_key_create(&key, NULL); system("once"); }
static void *other(void *unused) {
    pthread_once(&once, make);
    run("before", pthread_getspecific(key) ? "set" : "unset");
    pthread_setspecific(key, "other");
    run("thread", pthread_getspecific(key));
    pthread_exit(NULL);
}
int main(void) {
    pthread_t thread;
    int s = bound(SOCK_DGRAM);
    in[recv(s, in, 99, 0)] = 0;
    pthread_once(&once, make);
    pthread_setspecific(key, in);
    pthread_create(&thread, NULL, other, NULL);
    pthread_join(thread, NULL);
    run("main", pthread_getspecific(key));
    return 0;
}
"""
    assert lines(play(text, b"x")) == [b"once", b"before unset", b"thread other", b"main x"]


# -- time
TIMERS = {
    "the limit of select": r"""
int main(void) {
    int s = bound(SOCK_DGRAM);
    static char kept[99];
    for (;;) {
        struct timeval limit = {60, 0};
        fd_set set;
        FD_ZERO(&set);
        FD_SET(s, &set);
        if (select(s + 1, &set, NULL, NULL, &limit) > 0) {
            long n = recv(s, in, 98, 0);
            in[n] = 0;
            KEEP
        } else if (*kept) { run("later", kept); *kept = 0; }
    }
}
""",
    "a thread that sleeps": r"""
static char kept[99];
static void *later(void *unused) {
    for (;;) { sleep(300); if (*kept) { run("later", kept); *kept = 0; } }
}
int main(void) {
    int s = bound(SOCK_DGRAM);
    pthread_t thread;
    pthread_create(&thread, NULL, later, NULL);
    for (;;) { long n = recv(s, in, 98, 0); in[n] = 0; KEEP }
}
""",
    "an alarm": r"""
static char kept[99];
static void later(int number) { if (*kept) run("later", kept); *kept = 0; alarm(10); }
int main(void) {
    int s = bound(SOCK_DGRAM);
    signal(SIGALRM, later);
    alarm(10);
    for (;;) { long n = recv(s, in, 98, 0); if (n < 0) continue; in[n] = 0; KEEP }
}
""",
    "an alarm that comes again": r"""
static char kept[99];
static volatile int rang;
static void later(int number) { rang = 1; }
int main(void) {
    struct sigaction action = {0};
    struct itimerval timer = {{60, 0}, {60, 0}};
    int s = bound(SOCK_DGRAM);
    action.sa_handler = later;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (;;) {
        long n = recv(s, in, 98, 0);
        if (n < 0 && errno == EINTR && rang && *kept) { run("later", kept); *kept = 0; }
        rang = 0;
        if (n > 0) { in[n] = 0; KEEP }
    }
}
""",
    "a timer that is a descriptor": r"""
int main(void) {
    static char kept[99];
    struct itimerspec when = {{60, 0}, {60, 0}};
    struct pollfd list[2] = {{bound(SOCK_DGRAM), POLLIN}, {timerfd_create(CLOCK_MONOTONIC, 0), POLLIN}};
    uint64_t times;
    timerfd_settime(list[1].fd, 0, &when, NULL);
    for (;;) {
        poll(list, 2, -1);
        if (list[0].revents & POLLIN) { long n = recv(list[0].fd, in, 98, 0); in[n] = 0; KEEP }
        if (list[1].revents & POLLIN && read(list[1].fd, &times, 8) == 8 && *kept) { run("later", kept); *kept = 0; }
    }
}
""",
}


@pytest.mark.parametrize("architecture", ["armel", "mips", "x86-64"])
@pytest.mark.parametrize("timer", TIMERS)
def test_a_timer_uses_what_came_before(play: Play, timer: str, architecture: str) -> None:
    text = TIMERS[timer].replace("KEEP", "strcpy(kept, in);")
    assert lines(play(text, b"one", b"two", architecture=architecture)) == [b"later one", b"later two"]


@pytest.mark.parametrize("timer", TIMERS)
def test_a_timer_for_which_nothing_was_kept_does_nothing(play: Play, timer: str) -> None:
    trace = play(TIMERS[timer].replace("KEEP", "if (*in == 'k') strcpy(kept, in);"), b"one", b"kept")
    assert lines(trace) == [b"later kept"]


def test_a_timer_that_is_set_off_does_not_ring(play: Play) -> None:
    text = r"""
static void later(int number) { system("rang"); }
int main(void) {
    int s = bound(SOCK_DGRAM);
    signal(SIGALRM, later);
    alarm(10);
    alarm(0);
    for (;;) { in[recv(s, in, 98, 0)] = 0; run("take", in); }
}
"""
    assert lines(play(text, b"one", b"two")) == [b"take one", b"take two"]


def test_a_thread_is_told_over_a_descriptor_that_counts(play: Play) -> None:
    text = r"""
#include <sys/eventfd.h>
static int told;
static void *work(void *unused) {
    uint64_t count;
    while (read(told, &count, 8) == 8) run("work", in);
    return NULL;
}
int main(void) {
    pthread_t thread;
    uint64_t one = 1;
    int s = bound(SOCK_DGRAM);
    told = eventfd(0, 0);
    pthread_create(&thread, NULL, work, NULL);
    for (;;) { in[recv(s, in, 99, 0)] = 0; if (*in != 'n') write(told, &one, 8); }
}
"""
    assert lines(play(text, b"one", b"not", b"two")) == [b"work one", b"work two"]
