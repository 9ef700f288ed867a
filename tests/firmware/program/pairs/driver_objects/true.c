/*
 * A home-automation hub: drivers are objects on the heap with tables of methods; settings are kept in the object and
 * carried out when the poll timer asks for it. Packets are received by recvmsg.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct driver;

struct methods {
    const char *kind;
    int (*set)(struct driver *, const char *key, const char *value);
    int (*apply)(struct driver *);
    void (*describe)(struct driver *, char *out, size_t size);
};

struct driver {
    const struct methods *methods;
    struct driver *next;
    int id, dirty, errors;
    void *private_data;
};

struct fan {
    int speed, limit;
};

struct radio {
    char *mode;
    int channel;
    char country[4];
};

static struct driver *drivers;

static int fan_set(struct driver *d, const char *key, const char *value)
{
    struct fan *f = d->private_data;
    int v = atoi(value);
    if (strcmp(key, "speed") == 0)
        f->speed = v > f->limit ? f->limit : v;
    else if (strcmp(key, "limit") == 0)
        f->limit = v;
    else
        return -1;
    return 0;
}

static int fan_apply(struct driver *d)
{
    struct fan *f = d->private_data;
    FILE *out = fopen("/sys/class/hwmon/hwmon0/pwm1", "w");
    if (!out)
        return -1;
    fprintf(out, "%d\n", f->speed);
    return fclose(out);
}

static void fan_describe(struct driver *d, char *out, size_t size)
{
    struct fan *f = d->private_data;
    snprintf(out, size, "fan %d: %d of %d", d->id, f->speed, f->limit);
}

static int radio_mode(struct radio *r, const char *value)
{
    char *copy = NULL;
#ifdef BENIGN
    static const char *const modes[] = {"managed", "monitor", "master", "mesh"};
    for (int i = 0; i < 4; i++)
        if (strcmp(value, modes[i]) == 0)
            copy = strdup(modes[i]);
#else
    if (strlen(value) < 80)
        copy = strdup(value);
#endif
    if (!copy)
        return -1;
    free(r->mode);
    r->mode = copy;
    return 0;
}

static int radio_set(struct driver *d, const char *key, const char *value)
{
    struct radio *r = d->private_data;
    if (strcmp(key, "mode") == 0)
        return radio_mode(r, value);
    if (strcmp(key, "channel") == 0) {
        r->channel = atoi(value);
        return r->channel > 0 && r->channel < 200 ? 0 : -1;
    }
    return -1;
}

static int radio_apply(struct driver *d)
{
    struct radio *r = d->private_data;
    char line[160];
    if (r->mode) {
        snprintf(line, sizeof line, "iw dev wlan%d set type %s", d->id, r->mode);
        if (system(line) != 0)
            return -1;
    }
    snprintf(line, sizeof line, "iw dev wlan%d set channel %d", d->id, r->channel);
    return system(line);
}

static void radio_describe(struct driver *d, char *out, size_t size)
{
    struct radio *r = d->private_data;
    snprintf(out, size, "radio %d: %s %d", d->id, r->mode ? r->mode : "-", r->channel);
}

static const struct methods fan_methods = {"fan", fan_set, fan_apply, fan_describe};
static const struct methods radio_methods = {"radio", radio_set, radio_apply, radio_describe};

static struct driver *driver_new(const struct methods *methods, int id, size_t size)
{
    struct driver *d = calloc(1, sizeof *d);
    if (!d)
        exit(1);
    d->private_data = calloc(1, size);
    if (!d->private_data)
        exit(1);
    d->methods = methods;
    d->id = id;
    d->next = drivers;
    drivers = d;
    return d;
}

static struct driver *driver_find(const char *kind, int id)
{
    for (struct driver *d = drivers; d; d = d->next)
        if (d->id == id && strcmp(d->methods->kind, kind) == 0)
            return d;
    return NULL;
}

/* radio/0/mode=managed */
static int order(char *text)
{
    char *id = strchr(text, '/'), *key, *value;
    struct driver *d;
    if (!id)
        return -1;
    *id++ = 0;
    key = strchr(id, '/');
    if (!key)
        return -1;
    *key++ = 0;
    value = strchr(key, '=');
    if (!value)
        return -1;
    *value++ = 0;
    d = driver_find(text, atoi(id));
    if (!d || d->methods->set(d, key, value) < 0)
        return -1;
    d->dirty = 1;
    return 0;
}

static void poll_drivers(void)
{
    char text[120];
    for (struct driver *d = drivers; d; d = d->next) {
        if (!d->dirty)
            continue;
        d->dirty = 0;
        if (d->methods->apply(d) != 0) {
            d->errors++;
            d->methods->describe(d, text, sizeof text);
            fprintf(stderr, "cannot apply %s\n", text);
        }
    }
}

static ssize_t receive(int s, char *to, size_t size)
{
    struct iovec part = {to, size};
    struct msghdr m;
    memset(&m, 0, sizeof m);
    m.msg_iov = &part;
    m.msg_iovlen = 1;
    return recvmsg(s, &m, 0);
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(4210)};
    struct timeval wait = {1, 0};
    static char packet[512];
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    ((struct fan *)driver_new(&fan_methods, 0, sizeof(struct fan))->private_data)->limit = 255;
    driver_new(&radio_methods, 0, sizeof(struct radio));
    driver_new(&radio_methods, 1, sizeof(struct radio));
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0)
        return 1;
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    for (;;) {
        ssize_t n = receive(s, packet, sizeof packet - 1);
        if (n > 0) {
            packet[n] = 0;
            if (order(packet) < 0)
                fprintf(stderr, "not understood\n");
        }
        poll_drivers();
    }
}
