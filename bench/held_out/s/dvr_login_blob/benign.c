// vrec_net.c - private protocol of the 8 channel recorder
//
// Every message: 20 byte header, then `length` bytes. Handlers read their own
// message data from the connection, most of them need none.

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define VR_PORT        37810
#define VR_TAG         0x43455256u      /* "VREC" */
#define VR_MAX_DATA    4096
#define VR_CHANNELS    8
#define VR_MAX_USERS   10

enum
{
    VR_LOGIN = 1000, VR_LOGOUT = 1002, VR_KEEPALIVE = 1006,
    VR_SNAPSHOT = 1560, VR_TITLE = 1048, VR_PTZ = 1400
};

struct vr_header
{
    uint32_t tag;
    uint16_t command;
    uint16_t channel;
    uint32_t session;
    uint32_t sequence;
    uint32_t length;
};

struct vr_user
{
    char     name[24];
    char     hash[16];
    unsigned rights;
};

struct vr_client
{
    int                fd;
    uint32_t           session;
    const struct vr_user *user;
    time_t             last_seen;
};

struct vr_channel
{
    char title[32];
    int  pan, tilt, zoom;
};

static struct vr_user    users[VR_MAX_USERS];
static int               user_count;
static struct vr_channel channels[VR_CHANNELS];
static pthread_mutex_t   channel_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t          session_seed;

static int recv_all(int fd, void *buf, size_t len)
{
    char *p = buf;

    while (len)
    {
        ssize_t n = recv(fd, p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int skip(int fd, size_t len)
{
    char waste[128];

    while (len)
    {
        size_t n = len < sizeof(waste) ? len : sizeof(waste);
        if (recv_all(fd, waste, n) < 0)
            return -1;
        len -= n;
    }
    return 0;
}

static int reply(struct vr_client *c, const struct vr_header *rq, uint32_t status,
                 const void *data, uint32_t len)
{
    struct vr_header h;

    h.tag = htole32(VR_TAG);
    h.command = htole16((uint16_t)(rq->command + 1));
    h.channel = htole16((uint16_t)status);
    h.session = htole32(c->session);
    h.sequence = htole32(rq->sequence);
    h.length = htole32(len);
    if (send(c->fd, &h, sizeof(h), MSG_NOSIGNAL) != (ssize_t)sizeof(h))
        return -1;
    if (len && send(c->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
        return -1;
    return 0;
}

// Data of a login: "name\0hash", the rest is padding of the client's struct.
static int on_login(struct vr_client *c, const struct vr_header *h)
{
    char data[256];
    const char *name, *hash;
    size_t nlen;
    int i;

    if (h->length < 2 || h->length > sizeof(data))
        return -1;
    memset(data, 0, sizeof(data));
    if (recv_all(c->fd, data, h->length) < 0)
        return -1;
    data[sizeof(data) - 1] = '\0';
    name = data;
    nlen = strlen(name);
    hash = nlen < sizeof(data) - 1 ? name + nlen + 1 : "";
    for (i = 0; i < user_count; i++)
    {
        if (strcmp(users[i].name, name) == 0 &&
            strncmp(users[i].hash, hash, sizeof(users[i].hash)) == 0)
        {
            c->user = &users[i];
            c->session = __sync_add_and_fetch(&session_seed, 7);
            return reply(c, h, 100, NULL, 0);
        }
    }
    return reply(c, h, 203, NULL, 0);
}

static int on_logout(struct vr_client *c, const struct vr_header *h)
{
    reply(c, h, 100, NULL, 0);
    return -1;
}

static int on_keepalive(struct vr_client *c, const struct vr_header *h)
{
    uint32_t now = htole32((uint32_t)time(NULL));

    if (skip(c->fd, h->length) < 0)
        return -1;
    return reply(c, h, 100, &now, sizeof(now));
}

static int on_title(struct vr_client *c, const struct vr_header *h)
{
    char title[32];

    if (h->channel >= VR_CHANNELS || h->length >= sizeof(title))
        return -1;
    memset(title, 0, sizeof(title));
    if (recv_all(c->fd, title, h->length) < 0)
        return -1;
    pthread_mutex_lock(&channel_lock);
    memcpy(channels[h->channel].title, title, sizeof(title));
    pthread_mutex_unlock(&channel_lock);
    return reply(c, h, 100, NULL, 0);
}

static int on_ptz(struct vr_client *c, const struct vr_header *h)
{
    int32_t move[3];
    struct vr_channel *ch;

    if (h->channel >= VR_CHANNELS || h->length != sizeof(move))
        return -1;
    if (recv_all(c->fd, move, sizeof(move)) < 0)
        return -1;
    ch = &channels[h->channel];
    pthread_mutex_lock(&channel_lock);
    ch->pan = (int32_t)le32toh((uint32_t)move[0]) % 360;
    ch->tilt = (int32_t)le32toh((uint32_t)move[1]) % 90;
    ch->zoom = (int32_t)le32toh((uint32_t)move[2]) % 32;
    pthread_mutex_unlock(&channel_lock);
    return reply(c, h, 100, NULL, 0);
}

static int on_snapshot(struct vr_client *c, const struct vr_header *h)
{
    char path[64];
    uint8_t *jpeg;
    size_t len;
    FILE *f;
    int rc;

    if (h->channel >= VR_CHANNELS || skip(c->fd, h->length) < 0)
        return -1;
    snprintf(path, sizeof(path), "/dev/shm/snap%u.jpg", h->channel);
    f = fopen(path, "rb");
    jpeg = malloc(512 * 1024);
    if (!f || !jpeg)
    {
        if (f)
            fclose(f);
        free(jpeg);
        return reply(c, h, 119, NULL, 0);
    }
    len = fread(jpeg, 1, 512 * 1024, f);
    fclose(f);
    rc = reply(c, h, 100, jpeg, (uint32_t)len);
    free(jpeg);
    return rc;
}

static const struct
{
    uint16_t command;
    uint8_t  needs_login;
    int    (*fn)(struct vr_client *, const struct vr_header *);
} handlers[] = {
    { VR_LOGIN,     0, on_login },
    { VR_LOGOUT,    0, on_logout },
    { VR_KEEPALIVE, 1, on_keepalive },
    { VR_TITLE,     1, on_title },
    { VR_PTZ,       1, on_ptz },
    { VR_SNAPSHOT,  1, on_snapshot },
};

static int dispatch(struct vr_client *c, const struct vr_header *h)
{
    size_t i;

    for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
    {
        if (handlers[i].command != h->command)
            continue;
        if (handlers[i].needs_login && (!c->user || h->session != c->session))
            return -1;
        return handlers[i].fn(c, h);
    }
    return skip(c->fd, h->length);
}

static void *client_thread(void *arg)
{
    struct vr_client *c = arg;
    struct vr_header h;
    struct timeval tv = { 30, 0 };

    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    while (recv_all(c->fd, &h, sizeof(h)) == 0)
    {
        h.tag = le32toh(h.tag);
        h.command = le16toh(h.command);
        h.channel = le16toh(h.channel);
        h.session = le32toh(h.session);
        h.sequence = le32toh(h.sequence);
        h.length = le32toh(h.length);
        if (h.tag != VR_TAG || h.length > VR_MAX_DATA)
            break;
        c->last_seen = time(NULL);
        if (dispatch(c, &h) < 0)
            break;
    }
    close(c->fd);
    free(c);
    return NULL;
}

static void load_users(void)
{
    FILE *f = fopen("/mnt/mtd/users", "r");

    while (f && user_count < VR_MAX_USERS)
    {
        struct vr_user *u = &users[user_count];
        if (fscanf(f, "%23s %15s %u", u->name, u->hash, &u->rights) != 3)
            break;
        user_count++;
    }
    if (f)
        fclose(f);
}

int main(void)
{
    struct sockaddr_in a;
    int on = 1, s;

    signal(SIGPIPE, SIG_IGN);
    load_users();
    session_seed = (uint32_t)time(NULL);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons(VR_PORT);
    if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 16) < 0)
        return 1;
    for (;;)
    {
        pthread_t t;
        struct vr_client *c = calloc(1, sizeof(*c));

        if (!c)
            return 1;
        c->fd = accept(s, NULL, NULL);
        if (c->fd < 0 || pthread_create(&t, NULL, client_thread, c) != 0)
        {
            if (c->fd >= 0)
                close(c->fd);
            free(c);
            continue;
        }
        pthread_detach(t);
    }
}
