// clockd: settings are filled first and checked where they lie; what fails is cleared or put back, and the next tick uses the rest.
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

static struct {
    int  every;
    char server[64];
    char label[32];
    char zone[24];
} conf = { 3600, "pool.local", "clock", "UTC" };

static int is_host(const char *text)
{
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '-' && *text != '.')
            return 0;
    return 1;
}

static int set_server(const char *text)
{
    snprintf(conf.server, sizeof conf.server, "%.63s", text);
    if (!is_host(conf.server)) {
        syslog(LOG_WARNING, "no server: %s", conf.server);
        conf.server[0] = '\0';
        return -1;
    }
    return 0;
}

static void set_label(const char *text)
{
    char *at;

    snprintf(conf.label, sizeof conf.label, "%.31s", text);
    for (at = conf.label; *at; at++)
        if (!isalnum((unsigned char)*at))
            *at = '_';
}

static int set_zone(const char *text)
{
    snprintf(conf.zone, sizeof conf.zone, "%.23s", text);
    if (!is_host(conf.zone)) {
#ifdef BENIGN
        strcpy(conf.zone, "UTC");
#else
        conf.every = 3600;
#endif
        return -1;
    }
    return 0;
}

static void tick(void)
{
    char line[200];

    snprintf(line, sizeof line, "TZ=%s ntpdate -u %s && date > /tmp/%s", conf.zone, conf.server, conf.label);
    system(line);
}

int main(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(6140) };
    int                fd = socket(AF_INET, SOCK_DGRAM, 0);
    char               heard[256];

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
        return 1;
    for (;;) {
        ssize_t got = recv(fd, heard, sizeof heard - 1, 0);
        if (got <= 1)
            continue;
        heard[got] = '\0';
        if (heard[0] == 's')
            set_server(heard + 1);
        else if (heard[0] == 'l')
            set_label(heard + 1);
        else if (heard[0] == 'z')
            set_zone(heard + 1);
        else
            tick();
    }
}
