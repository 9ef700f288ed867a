/* A function-pointer table whose chosen handler runs in a thread of its own. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct job {
    int op;
    char text[200];
};

typedef void (*handler)(struct job *);

static void on_show(struct job *j)
{
    printf("show %s\n", j->text);
}

static void on_run(struct job *j)
{
#ifdef BENIGN
    printf("run %s\n", j->text);
    system("/etc/init.d/network restart");
#else
    char line[256];
    snprintf(line, sizeof line, "/etc/init.d/%s restart", j->text);
    system(line);
#endif
}

static void on_count(struct job *j)
{
    printf("count %zu\n", strlen(j->text));
}

static const handler table[] = {on_show, on_run, on_count};

static void *work(void *arg)
{
    struct job *j = arg;
    if (j->op >= 0 && j->op < (int)(sizeof table / sizeof *table))
        table[j->op](j);
    free(j);
    return NULL;
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(47808)};
    unsigned char packet[256];
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0)
        return 1;
    for (;;) {
        pthread_t t;
        struct job *j;
        ssize_t n = recv(s, packet, sizeof packet, 0);
        if (n < 2 || n > 200)
            continue;
        j = malloc(sizeof *j);
        if (!j)
            continue;
        j->op = packet[0];
        memcpy(j->text, packet + 1, n - 1);
        j->text[n - 1] = 0;
        if (pthread_create(&t, NULL, work, j) == 0)
            pthread_detach(t);
        else
            free(j);
    }
}
