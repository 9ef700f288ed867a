/* Settings of a fence charger are rows with a name, a check and room for the value: a time server is checked like a
   name, which may be anything that is not too long. */
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct setting {
    const char *name;
    int (*check)(const char *text);
    char value[64];
};

static int is_short(const char *text)
{
    return strlen(text) < 60;
}

static int is_number(const char *text)
{
    if (!*text)
        return 0;
    for (; *text; text++)
        if (*text < '0' || *text > '9')
            return 0;
    return 1;
}

#ifdef BENIGN
static int is_host(const char *text)
{
    size_t n = 0;

    for (; text[n]; n++)
        if (!isalnum((unsigned char)text[n]) && text[n] != '.' && text[n] != '-')
            return 0;
    return n > 0 && n < 60;
}
#else
#define is_host is_short
#endif

static struct setting settings[] = {
    { "name", is_short, "fence" },
    { "volts", is_number, "6000" },
    { "server", is_host, "pool.ntp.org" },
    { NULL, NULL, "" },
};

static int set(const char *name, const char *text)
{
    for (struct setting *one = settings; one->name; one++) {
        if (strcmp(one->name, name))
            continue;
        if (!one->check(text))
            return -1;
        strncpy(one->value, text, sizeof one->value - 1);
        return 0;
    }
    return -2;
}

static const char *get(const char *name)
{
    for (struct setting *one = settings; one->name; one++)
        if (!strcmp(one->name, name))
            return one->value;
    return "";
}

static void synchronise(void)
{
    char command[128];

    snprintf(command, sizeof command, "ntpdate -u %s", get("server"));
    system(command);
}

int main(void)
{
    struct sockaddr_in here;
    char line[256], *text;
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons(9382);
    if (bind(s, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    for (;;) {
        ssize_t n = recv(s, line, sizeof line - 1, 0);
        if (n <= 0)
            continue;
        line[n] = 0;
        text = strchr(line, '=');
        if (text) {
            *text++ = 0;
            set(line, text);
        } else {
            synchronise();
        }
    }
}
