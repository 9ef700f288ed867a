/*
 * The SNMP side of a switch: BER is walked by hand. The community string is copied to the stack after a check of its
 * length – against the wrong number in the true program.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

struct cursor {
    const uint8_t *at, *end;
};

struct object {
    uint8_t oid[10];
    uint8_t oid_length;
    int (*read)(uint8_t *out, size_t size);
};

static unsigned packets, bad, wrong_community;
static time_t started;
static char contact[64] = "nobody", location[64] = "rack 1";
static const char community_read[] = "public";

/* Tag and length of the next element; the cursor stands on its value. -1 when it does not fit. */
static int element(struct cursor *c, int *tag)
{
    int length;
    if (c->end - c->at < 2)
        return -1;
    *tag = *c->at++;
    length = *c->at++;
    if (length & 0x80) {
        int bytes = length & 0x7f;
        if (bytes > 2 || c->end - c->at < bytes)
            return -1;
        for (length = 0; bytes--;)
            length = length << 8 | *c->at++;
    }
    return length <= c->end - c->at ? length : -1;
}

static int community_ok(const uint8_t *value, int length)
{
    char name[40];
#ifdef BENIGN
    if (length >= (int)sizeof name)
        return 0;
#else
    if (length >= 512)
        return 0;
#endif
    memcpy(name, value, (size_t)length);
    name[length] = 0;
    if (strcmp(name, community_read) == 0)
        return 1;
    wrong_community++;
    syslog(LOG_NOTICE, "community %.20s", name);
    return 0;
}

static int read_uptime(uint8_t *out, size_t size)
{
    uint32_t ticks = (uint32_t)(time(NULL) - started) * 100;
    if (size < 4)
        return -1;
    out[0] = (uint8_t)(ticks >> 24);
    out[1] = (uint8_t)(ticks >> 16);
    out[2] = (uint8_t)(ticks >> 8);
    out[3] = (uint8_t)ticks;
    return 4;
}

static int read_text(const char *text, uint8_t *out, size_t size)
{
    size_t n = strlen(text);
    if (n > size)
        n = size;
    memcpy(out, text, n);
    return (int)n;
}

static int read_contact(uint8_t *out, size_t size)
{
    return read_text(contact, out, size);
}

static int read_location(uint8_t *out, size_t size)
{
    return read_text(location, out, size);
}

static const struct object objects[] = {
    {{0x2b, 6, 1, 2, 1, 1, 3, 0}, 8, read_uptime},
    {{0x2b, 6, 1, 2, 1, 1, 4, 0}, 8, read_contact},
    {{0x2b, 6, 1, 2, 1, 1, 6, 0}, 8, read_location},
};

static int answer_for(const uint8_t *oid, int length, uint8_t *out, size_t size)
{
    for (unsigned i = 0; i < sizeof objects / sizeof *objects; i++)
        if (objects[i].oid_length == length && memcmp(objects[i].oid, oid, (size_t)length) == 0)
            return objects[i].read(out, size);
    return -1;
}

static int skip(struct cursor *c, int want)
{
    int tag, length = element(c, &tag);
    if (length < 0 || tag != want)
        return -1;
    c->at += length;
    return 0;
}

static int message(const uint8_t *packet, size_t size, uint8_t *out, size_t room)
{
    struct cursor c = {packet, packet + size};
    int tag, length = element(&c, &tag);
    if (length < 0 || tag != 0x30)
        return -1;
    if (skip(&c, 2) < 0)
        return -1;
    length = element(&c, &tag);
    if (length < 0 || tag != 4 || !community_ok(c.at, length))
        return -1;
    c.at += length;
    length = element(&c, &tag);
    if (length < 0 || (tag != 0xa0 && tag != 0xa1))
        return -1;
    if (skip(&c, 2) < 0 || skip(&c, 2) < 0 || skip(&c, 2) < 0)
        return -1;
    if (element(&c, &tag) < 0 || tag != 0x30 || element(&c, &tag) < 0 || tag != 0x30)
        return -1;
    length = element(&c, &tag);
    if (length < 0 || tag != 6)
        return -1;
    return answer_for(c.at, length, out, room);
}

static void load(void)
{
    FILE *f = fopen("/etc/snmp.conf", "r");
    char line[96];
    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "contact ", 8))
            snprintf(contact, sizeof contact, "%.63s", line + 8);
        else if (!strncmp(line, "location ", 9))
            snprintf(location, sizeof location, "%.63s", line + 9);
    }
    fclose(f);
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET}, from;
    static uint8_t packet[1500], out[128];
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    openlog("snmpd", LOG_PID, LOG_DAEMON);
    started = time(NULL);
    load();
    me.sin_port = htons(161);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0)
        return 1;
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(s, packet, sizeof packet, 0, (struct sockaddr *)&from, &size);
        int length;
        if (n <= 0)
            continue;
        packets++;
        length = message(packet, (size_t)n, out, sizeof out);
        if (length < 0)
            bad++;
        else
            sendto(s, out, (size_t)length, 0, (struct sockaddr *)&from, size);
        if (packets % 10000 == 0)
            syslog(LOG_INFO, "%u packets, %u bad, %u wrong community", packets, bad, wrong_community);
    }
}
