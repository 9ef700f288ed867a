/*
 * An alarm centre: rules arrive over UDP (strtok), are kept in a linked list on the heap and are carried out by a timer
 * thread when their event has happened.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct rule {
    struct rule *next;
    int event;
    int repeat;
    time_t not_before;
    char *recipient;
    char subject[64];
};

static struct rule *rules;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int pending[32];
static unsigned sent;

static void quote(char *to, size_t size, const char *from)
{
    size_t o = 0;
#ifdef BENIGN
    if (size > 8)
        to[o++] = '\'';
    for (; *from && o + 6 < size; from++) {
        if (*from == '\'') {
            memcpy(to + o, "'\\''", 4);
            o += 4;
        } else {
            to[o++] = *from;
        }
    }
    to[o++] = '\'';
#else
    to[o++] = '"';
    for (; *from && o + 6 < size; from++)
        to[o++] = *from;
    to[o++] = '"';
#endif
    to[o] = 0;
}

static void rule_add(int event, int repeat, const char *recipient, const char *subject)
{
    struct rule *r = malloc(sizeof *r);
    if (!r)
        return;
    r->event = event & 31;
    r->repeat = repeat;
    r->not_before = 0;
    r->recipient = strdup(recipient);
    strncpy(r->subject, subject, sizeof r->subject - 1);
    r->subject[sizeof r->subject - 1] = 0;
    pthread_mutex_lock(&lock);
    r->next = rules;
    rules = r;
    pthread_mutex_unlock(&lock);
}

static int rule_remove(int event)
{
    struct rule **p;
    int n = 0;
    pthread_mutex_lock(&lock);
    for (p = &rules; *p;) {
        if ((*p)->event == event) {
            struct rule *dead = *p;
            *p = dead->next;
            free(dead->recipient);
            free(dead);
            n++;
        } else {
            p = &(*p)->next;
        }
    }
    pthread_mutex_unlock(&lock);
    return n;
}

static void mail(const struct rule *r)
{
    char to[200], line[512];
    FILE *p;
    quote(to, sizeof to, r->recipient);
    snprintf(line, sizeof line, "/usr/sbin/sendmail -t -- %s", to);
    p = popen(line, "w");
    if (!p)
        return;
    fprintf(p, "Subject: %s\n\nevent %d at %ld\n", r->subject, r->event, (long)time(NULL));
    pclose(p);
    sent++;
}

static void *timer(void *unused)
{
    (void)unused;
    for (;;) {
        time_t now;
        sleep(2);
        now = time(NULL);
        pthread_mutex_lock(&lock);
        for (struct rule *r = rules; r; r = r->next)
            if (pending[r->event] && now >= r->not_before) {
                r->not_before = now + r->repeat;
                mail(r);
            }
        memset(pending, 0, sizeof pending);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

/* RULE|event|repeat|recipient|subject, DROP|event, FIRE|event, LIST */
static int order(char *text, char *answer, size_t size)
{
    char *word = strtok(text, "|\r\n");
    char *a, *b, *c, *d;
    if (!word)
        return -1;
    if (!strcmp(word, "LIST")) {
        unsigned n = 0;
        for (struct rule *r = rules; r; r = r->next)
            n++;
        snprintf(answer, size, "%u rules, %u sent", n, sent);
        return 0;
    }
    a = strtok(NULL, "|\r\n");
    if (!a)
        return -1;
    if (!strcmp(word, "FIRE")) {
        pending[atoi(a) & 31]++;
        snprintf(answer, size, "fired");
        return 0;
    }
    if (!strcmp(word, "DROP")) {
        snprintf(answer, size, "%d dropped", rule_remove(atoi(a)));
        return 0;
    }
    if (!strcmp(word, "RULE")) {
        b = strtok(NULL, "|\r\n");
        c = strtok(NULL, "|\r\n");
        d = strtok(NULL, "|\r\n");
        if (!b || !c || !d)
            return -1;
        rule_add(atoi(a), atoi(b), c, d);
        snprintf(answer, size, "added");
        return 0;
    }
    return -1;
}

static void load_rules(void)
{
    FILE *f = fopen("/etc/alarm.rules", "r");
    char line[256], answer[64];
    if (!f)
        return;
    while (fgets(line, sizeof line, f))
        if (line[0] != '#')
            order(line, answer, sizeof answer);
    fclose(f);
}

int main(void)
{
    struct sockaddr_in me = {0}, from;
    char packet[600], answer[96];
    pthread_t t;
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    load_rules();
    me.sin_family = AF_INET;
    me.sin_port = htons(15002);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0) {
        perror("alarmd");
        return 1;
    }
    if (pthread_create(&t, NULL, timer, NULL) != 0)
        return 1;
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(s, packet, sizeof packet - 1, 0, (struct sockaddr *)&from, &size);
        if (n <= 0)
            continue;
        packet[n] = 0;
        if (order(packet, answer, sizeof answer) < 0)
            strcpy(answer, "error");
        sendto(s, answer, strlen(answer), 0, (struct sockaddr *)&from, size);
    }
}
