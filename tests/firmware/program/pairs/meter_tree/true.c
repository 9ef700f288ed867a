/* An energy meter's settings arrive as nested lists, `(set (zone "+2") (rate 30))`; a recursive reader makes a tree of
 * them on the heap. The zone is a number as far as strtol reads it. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 7420

struct item {
    struct item *next;
    struct item *inner;
    char *text;
};

struct meter {
    char zone[24];
    int rate;
    int changed;
    time_t last;
};

static struct meter *meter;
static unsigned long packets;

static void dispose(struct item *item)
{
    while (item) {
        struct item *next = item->next;

        dispose(item->inner);
        free(item->text);
        free(item);
        item = next;
    }
}

static struct item *read_item(const char **at, const char *end, int depth)
{
    struct item *item;

    while (*at < end && isspace((unsigned char)**at))
        ++*at;
    if (*at >= end || depth > 5 || !(item = calloc(1, sizeof *item)))
        return NULL;
    if (**at == '(') {
        struct item **last = &item->inner;

        ++*at;
        while (*at < end && **at != ')') {
            if (!(*last = read_item(at, end, depth + 1)))
                break;
            last = &(*last)->next;
        }
        ++*at;
    } else {
        int quoted = **at == '"';
        const char *start = *at += quoted;

        while (*at < end && (quoted ? **at != '"' : !isspace((unsigned char)**at) && **at != ')' && **at != '('))
            ++*at;
        if ((item->text = malloc(*at - start + 1))) {
            memcpy(item->text, start, *at - start);
            item->text[*at - start] = '\0';
        }
        *at += quoted;
    }
    return item;
}

static const char *value_of(const struct item *list, const char *name)
{
    const struct item *one;

    for (one = list; one; one = one->next)
        if (one->inner && one->inner->text && !strcmp(one->inner->text, name) && one->inner->next)
            return one->inner->next->text;
    return NULL;
}

static int set_zone(const char *text)
{
    char *end;
    long hours = strtol(text, &end, 10);

    if (end == text || hours < -12 || hours > 14 || strlen(text) >= sizeof meter->zone)
        return -1;
#ifdef BENIGN
    if (*end)
        return -1;
#endif
    strcpy(meter->zone, text);
    meter->changed = 1;
    return 0;
}

static int set_rate(const char *text)
{
    int seconds;
    char more;

    if (sscanf(text, "%d%c", &seconds, &more) != 1 || seconds < 5)
        return -1;
    meter->rate = seconds;
    return 0;
}

static int obey(const char *packet, size_t size)
{
    const char *at = packet;
    struct item *root = read_item(&at, packet + size, 0);
    int done = -1;

    packets++;
    if (root && root->inner && root->inner->text && !strcmp(root->inner->text, "set")) {
        const char *zone = value_of(root->inner->next, "zone");
        const char *rate = value_of(root->inner->next, "rate");

        done = (zone && set_zone(zone)) || (rate && set_rate(rate));
    }
    dispose(root);
    return done;
}

static void tick(time_t now)
{
    char command[96];

    if (!meter->changed || now - meter->last < meter->rate)
        return;
    snprintf(command, sizeof command, "echo UTC%s > /etc/TZ", meter->zone);
    system(command);
    meter->changed = 0;
    meter->last = now;
}

int main(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)}, peer;
    struct timeval wait = {5, 0};
    char packet[700];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    meter = calloc(1, sizeof *meter);
    if (!meter || fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    meter->rate = 30;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    for (;;) {
        socklen_t room = sizeof peer;
        ssize_t got = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&peer, &room);

        if (got > 0 && obey(packet, got) == 0)
            sendto(fd, "ok", 2, 0, (struct sockaddr *)&peer, room);
        tick(time(NULL));
    }
}
