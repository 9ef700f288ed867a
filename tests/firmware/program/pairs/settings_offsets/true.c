// heatd: settings of a boiler, one structure; a table says where in it each name is kept.
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct boiler {
    int  pump;
    char title[40];
    char peer[64];
    char curve[24];
};

static struct boiler boiler = { 1, "boiler", "10.0.0.1", "1.4" };

static const struct field {
    const char *name;
    size_t      at, room;
} fields[] = {
    { "title", offsetof(struct boiler, title), sizeof boiler.title },
    { "peer", offsetof(struct boiler, peer), sizeof boiler.peer },
    { "curve", offsetof(struct boiler, curve), sizeof boiler.curve },
};

static const struct field *named(const char *name)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static int plain(const char *text)
{
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '.')
            return 0;
    return 1;
}

int change(const char *name, const char *value)
{
    const struct field *field = named(name);
    if (!field || strlen(value) >= field->room)
        return -1;
#ifdef BENIGN
    if (!plain(value))
        return -1;
#else
    if (plain(name) && !*value)
        return -1;
#endif
    memcpy((char *)&boiler + field->at, value, strlen(value) + 1);
    return 0;
}

static void tell(void)
{
    char line[160];
    if (!boiler.pump || !boiler.peer[0])
        return;
    snprintf(line, sizeof line, "logger -n %s -t boiler alive", boiler.peer);
    system(line);
}

int main(void)
{
    char               packet[256];
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(6151) };
    struct timeval     wait = { 5, 0 };
    int                fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    for (;;) {
        ssize_t n = recv(fd, packet, sizeof packet - 1, 0);
        char   *value;
        if (n <= 0) {
            tell();
            continue;
        }
        packet[n] = '\0';
        value = strchr(packet, ' ');
        if (value) {
            *value++ = '\0';
            change(packet, value);
        }
    }
}
