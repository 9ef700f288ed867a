/*
 * A sensor hub: TCP clients send frames; the frame's length is read first, and the body is then received into a buffer
 * on the stack, with the size of another one in the true program.
 */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SENSORS 16
#define FRAME_MAX 1024

struct sensor {
    uint16_t id;
    char unit[8];
    int32_t value, low, high;
    time_t seen;
    unsigned alarms;
};

struct hub {
    struct sensor sensor[SENSORS];
    unsigned count;
    pthread_mutex_t lock;
};

static struct hub hub = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct sensor *sensor_of(uint16_t id)
{
    for (unsigned i = 0; i < hub.count; i++)
        if (hub.sensor[i].id == id)
            return &hub.sensor[i];
    if (hub.count == SENSORS)
        return NULL;
    memset(&hub.sensor[hub.count], 0, sizeof hub.sensor[0]);
    hub.sensor[hub.count].id = id;
    hub.sensor[hub.count].low = INT32_MIN;
    hub.sensor[hub.count].high = INT32_MAX;
    return &hub.sensor[hub.count++];
}

static int32_t le32(const uint8_t *p)
{
    return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

static void report(uint16_t id, int32_t value)
{
    struct sensor *s;
    pthread_mutex_lock(&hub.lock);
    s = sensor_of(id);
    if (s) {
        s->value = value;
        s->seen = time(NULL);
        if (value < s->low || value > s->high)
            s->alarms++;
    }
    pthread_mutex_unlock(&hub.lock);
}

static void limits(uint16_t id, int32_t low, int32_t high)
{
    struct sensor *s;
    pthread_mutex_lock(&hub.lock);
    s = sensor_of(id);
    if (s && low < high) {
        s->low = low;
        s->high = high;
    }
    pthread_mutex_unlock(&hub.lock);
}

static int list(int c)
{
    char text[FRAME_MAX];
    size_t n = 0;
    pthread_mutex_lock(&hub.lock);
    for (unsigned i = 0; i < hub.count && n + 64 < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%u %d %u\n", hub.sensor[i].id, (int)hub.sensor[i].value,
                              hub.sensor[i].alarms);
    pthread_mutex_unlock(&hub.lock);
    return (int)send(c, text, n, 0);
}

/* frame: kind, 16-bit id, payload */
static int frame(int c)
{
    uint8_t body[128];
    uint16_t id;
#ifdef BENIGN
    ssize_t n = recv(c, body, sizeof body, 0);
#else
    ssize_t n = recv(c, body, FRAME_MAX, 0);
#endif
    if (n < 3)
        return -1;
    id = (uint16_t)(body[1] | body[2] << 8);
    switch (body[0]) {
    case 'V':
        if (n < 7)
            return -1;
        report(id, le32(body + 3));
        return 0;
    case 'L':
        if (n < 11)
            return -1;
        limits(id, le32(body + 3), le32(body + 7));
        return 0;
    case '?':
        return list(c);
    default:
        return -1;
    }
}

static void *client(void *arg)
{
    int c = (int)(intptr_t)arg;
    struct timeval wait = {120, 0};
    setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    while (frame(c) >= 0)
        ;
    close(c);
    return NULL;
}

static void *watch(void *arg)
{
    (void)arg;
    for (;;) {
        time_t now;
        sleep(30);
        now = time(NULL);
        pthread_mutex_lock(&hub.lock);
        for (unsigned i = 0; i < hub.count; i++)
            if (now - hub.sensor[i].seen > 300)
                fprintf(stderr, "sensor %u is silent for %ld s\n", hub.sensor[i].id, (long)(now - hub.sensor[i].seen));
        pthread_mutex_unlock(&hub.lock);
    }
    return NULL;
}

static void save(void)
{
    FILE *f = fopen("/tmp/sensors.csv", "a");
    if (!f)
        return;
    pthread_mutex_lock(&hub.lock);
    for (unsigned i = 0; i < hub.count; i++)
        fprintf(f, "%ld,%u,%d\n", (long)hub.sensor[i].seen, hub.sensor[i].id, (int)hub.sensor[i].value);
    pthread_mutex_unlock(&hub.lock);
    fclose(f);
}

int main(void)
{
    struct sockaddr_in me;
    pthread_t t;
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    unsigned served = 0;
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(5683);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 8) < 0) {
        fprintf(stderr, "%s\n", strerror(errno));
        return 1;
    }
    pthread_create(&t, NULL, watch, NULL);
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        if (++served % 16 == 0)
            save();
        if (pthread_create(&t, NULL, client, (void *)(intptr_t)c) == 0)
            pthread_detach(t);
        else
            close(c);
    }
}
