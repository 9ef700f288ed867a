// clockd: a display keeps its settings in a list, by name; title and time server come from the network.
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct setting {
    struct setting *next;
    char           *name;
    char           *value;
};

static struct setting *settings;

static struct setting *find(const char *name)
{
    struct setting *one;

    for (one = settings; one; one = one->next)
        if (!strcmp(one->name, name))
            return one;
    return NULL;
}

static void put(const char *name, const char *value)
{
    struct setting *one = find(name);

    if (!one) {
        one = calloc(1, sizeof *one);
        if (!one)
            return;
        one->name = strdup(name);
        one->next = settings;
        settings = one;
    } else {
        free(one->value);
    }
    one->value = strdup(value);
}

static const char *get(const char *name, const char *otherwise)
{
    struct setting *one = find(name);

    return one ? one->value : otherwise;
}

static int is_host(const char *text)
{
    if (!*text)
        return 0;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '.')
            return 0;
    return 1;
}

static void on_title(const char *text)
{
    put("title", text);
    printf("%s\n", get("title", ""));
}

static void on_server(const char *text)
{
#ifdef BENIGN
    if (!is_host(text))
        return;
#else
    if (is_host(text))
        puts("a host");
#endif
    put("server", text);
}

static void set_clock(void)
{
    char line[160];

    snprintf(line, sizeof line, "ntpdate %s", get("server", "time.local"));
    system(line);
}

int main(void)
{
    char               packet[200];
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(6306) };
    int                fd = socket(AF_INET, SOCK_DGRAM, 0);

    put("title", "clock");
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    for (;;) {
        ssize_t n = recv(fd, packet, sizeof packet - 1, 0);
        if (n < 2)
            continue;
        packet[n] = '\0';
        if (packet[0] == 'T')
            on_title(packet + 1);
        else if (packet[0] == 'S')
            on_server(packet + 1);
        else
            set_clock();
    }
}
