// pumpd: each setting has its own check; what passes is kept in the row and used by the next cycle.
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int (*check_t)(const char *);

static int is_name(const char *text)
{
    if (!*text)
        return 0;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '-' && *text != '.')
            return 0;
    return 1;
}

static int is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

static int is_zone(const char *text)
{
#ifdef BENIGN
    return is_name(text) && strlen(text) < 12;
#else
    return isupper((unsigned char)*text) && strlen(text) < 40;
#endif
}

static struct row {
    const char *key;
    check_t     check;
    char        value[48];
} rows[] = {
    { "server", is_name, "pool.local" },
    { "zone", is_zone, "CET" },
    { "pressure", is_number, "3" },
};

static int put(const char *key, const char *value)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].key, key))
            continue;
        if (!rows[i].check(value) || strlen(value) >= sizeof rows[i].value)
            return -1;
        strcpy(rows[i].value, value);
        return 1;
    }
    return 0;
}

static void cycle(void)
{
    char line[128];
    snprintf(line, sizeof line, "echo %s > /tmp/pump.zone", rows[1].value);
    system(line);
    snprintf(line, sizeof line, "echo %d > /tmp/pump.pressure", atoi(rows[2].value));
    system(line);
}

int main(void)
{
    char               packet[300];
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(6230) };
    int                fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    for (;;) {
        ssize_t n = recv(fd, packet, sizeof packet - 1, 0);
        char   *word, *rest = packet;
        int     changed = 0;
        if (n <= 0)
            continue;
        packet[n] = '\0';
        while ((word = strsep(&rest, "\n")) != NULL) {
            char *value = strchr(word, '=');
            if (!value)
                break;
            *value++ = '\0';
            changed += put(word, value) > 0;
        }
        if (changed)
            cycle();
    }
}
