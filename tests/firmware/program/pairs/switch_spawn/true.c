/*
 * A letter chooses the order through a switch that compilers make a jump table of; all programs are started by one
 * helper that is handed an argument vector; a thread takes the newest note from a list head that starts empty.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct note {
    struct note *next;
    char text[128];
};

static struct {
    struct note *newest;
    int level, mode;
    pthread_mutex_t lock;
} shelf;

static int start(char *const words[])
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        execv(words[0], words);
        _exit(127);
    }
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

static void announce(const struct note *n)
{
#ifdef BENIGN
    char *words[] = {"/bin/announce", "--text", (char *)n->text, NULL};
#else
    char line[200];
    char *words[] = {"/bin/sh", "-c", line, NULL};
    snprintf(line, sizeof line, "announce --text %s", n->text);
#endif
    start(words);
}

static void *teller(void *unused)
{
    for (;;) {
        struct note *n;
        pthread_mutex_lock(&shelf.lock);
        if ((n = shelf.newest))
            shelf.newest = n->next;
        pthread_mutex_unlock(&shelf.lock);
        if (n) {
            announce(n);
            free(n);
        } else
            sleep(1);
    }
    return unused;
}

static void put(const char *text)
{
    struct note *n = calloc(1, sizeof *n);
    if (!n)
        return;
    snprintf(n->text, sizeof n->text, "%s", text);
    pthread_mutex_lock(&shelf.lock);
    n->next = shelf.newest;
    shelf.newest = n;
    pthread_mutex_unlock(&shelf.lock);
}

static void order(const char *text)
{
    char *off[] = {"/sbin/poweroff", "-f", NULL};
    switch (text[0]) {
    case 'B':
        shelf.level = atoi(text + 1);
        break;
    case 'C':
        shelf.mode = text[1] == '1';
        break;
    case 'D':
        put(text + 1);
        break;
    case 'F':
        shelf.level++;
        break;
    case 'G':
        shelf.mode = shelf.level > 3 ? 2 : 7;
        break;
    case 'H':
        start(off);
        break;
    case 'J':
        printf("%d %d\n", shelf.level, shelf.mode);
        break;
    default:
        puts("what?");
    }
}

int main(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(6544)};
    char text[128];
    pthread_t thread;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    shelf.newest = NULL;
    pthread_mutex_init(&shelf.lock, NULL);
    if (pthread_create(&thread, NULL, teller, NULL) != 0 || bind(fd, (struct sockaddr *)&here, sizeof here) != 0)
        return 1;
    for (;;) {
        ssize_t n = recv(fd, text, sizeof text - 1, 0);
        if (n <= 1)
            continue;
        text[n] = 0;
        order(text);
    }
}
