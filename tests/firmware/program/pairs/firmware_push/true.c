/*
 * A firmware updater that takes images over TCP: a binary header names the parts; each part's name is joined to the
 * staging folder with strcpy and strcat in a buffer on the stack.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define UPDATE_MAGIC "FWPUSH02"
#define STAGING "/tmp/staging"

struct part {
    uint32_t size;
    uint32_t crc;
    uint16_t flags;
    uint16_t name_length;
};

struct update {
    int fd;
    unsigned parts, written;
    uint64_t bytes;
    time_t begun;
    char *name;
};

static struct {
    uint32_t limit;
    int keep;
    int led;
} options = {8u << 20, 0, 1};

static uint32_t crc_table[256];

static void crc_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
        crc_table[i] = c;
    }
}

static uint32_t crc_more(uint32_t crc, const uint8_t *p, size_t n)
{
    while (n--)
        crc = crc_table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
    return crc;
}

static int read_exact(int fd, void *to, size_t size)
{
    uint8_t *p = to;
    while (size) {
        ssize_t n = read(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static void led(int on)
{
    FILE *f;
    if (!options.led)
        return;
    f = fopen("/sys/class/leds/status/brightness", "w");
    if (f) {
        fputs(on ? "255\n" : "0\n", f);
        fclose(f);
    }
}

static FILE *open_part(const char *name)
{
    char path[80];
    if (name[0] == '/' || strstr(name, ".."))
        return NULL;
#ifdef BENIGN
    if (snprintf(path, sizeof path, "%s/%s", STAGING, name) >= (int)sizeof path)
        return NULL;
#else
    strcpy(path, STAGING);
    strcat(path, "/");
    strcat(path, name);
#endif
    return fopen(path, "wb");
}

static int take_part(struct update *u)
{
    struct part p;
    uint8_t chunk[512];
    uint32_t left, crc = 0xffffffffu;
    FILE *out;
    if (read_exact(u->fd, &p, sizeof p) < 0)
        return -1;
    p.size = ntohl(p.size);
    p.crc = ntohl(p.crc);
    p.name_length = ntohs(p.name_length);
    if (p.size > options.limit || p.name_length == 0 || p.name_length > 1000)
        return -1;
    free(u->name);
    u->name = malloc(p.name_length + 1u);
    if (!u->name || read_exact(u->fd, u->name, p.name_length) < 0)
        return -1;
    u->name[p.name_length] = 0;
    out = open_part(u->name);
    if (!out)
        return -1;
    for (left = p.size; left;) {
        size_t n = left < sizeof chunk ? left : sizeof chunk;
        if (read_exact(u->fd, chunk, n) < 0 || fwrite(chunk, 1, n, out) != n) {
            fclose(out);
            return -1;
        }
        crc = crc_more(crc, chunk, n);
        left -= (uint32_t)n;
    }
    fclose(out);
    u->bytes += p.size;
    u->written++;
    return (crc ^ 0xffffffffu) == p.crc ? 0 : -2;
}

static void finish(struct update *u, int status)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%d %u/%u %lu s\n", status, u->written, u->parts,
                     (unsigned long)(time(NULL) - u->begun));
    send(u->fd, text, (size_t)n, 0);
    syslog(LOG_INFO, "update: %.40s", text);
    if (status == 0)
        system("/usr/sbin/apply-staging");
    else if (!options.keep)
        system("rm -rf " STAGING);
    led(0);
}

static void session(int fd)
{
    struct update u = {.fd = fd, .begun = time(NULL)};
    char magic[8];
    uint8_t count;
    int status = 0;
    if (read_exact(fd, magic, sizeof magic) < 0 || memcmp(magic, UPDATE_MAGIC, sizeof magic) != 0)
        return;
    if (read_exact(fd, &count, 1) < 0 || count == 0 || count > 32)
        return;
    u.parts = count;
    mkdir(STAGING, 0700);
    led(1);
    for (unsigned i = 0; i < u.parts && status == 0; i++)
        status = take_part(&u);
    finish(&u, status);
    free(u.name);
}

int main(int argc, char **argv)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(20002)};
    int s, c;
    while ((c = getopt(argc, argv, "kl:")) != -1) {
        if (c == 'k')
            options.keep = 1;
        else if (c == 'l')
            options.limit = (uint32_t)strtoul(optarg, NULL, 0);
    }
    openlog("fwpush", LOG_PID, LOG_LOCAL0);
    crc_init();
    s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 1) < 0) {
        syslog(LOG_ERR, "%s", strerror(errno));
        return 1;
    }
    for (;;) {
        c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        session(c);
        close(c);
    }
}
