/*
 * loopd - remote control of the induction loop amplifier LA-240
 *
 * Protocol: Open Sound Control 1.0, one message per datagram
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <time.h>

#define OSC_PORT     10023
#define PRESET_DIR   "/etc/loop/presets"
#define MAX_PRESETS  12
#define MAX_ARGS     6
#define STEP_MS      50

struct osc_arg {
    char type;
    union {
        int32_t i;
        float f;
        const char *s;
    } u;
};

struct osc_msg {
    const char *addr;
    int argc;
    struct osc_arg argv[MAX_ARGS];
};

struct amp {
    float drive_db;
    float metal_comp;
    int   muted;
    float fade;             /* 1.0 = full, 0.0 = silent */
    int   fade_dir;
    char  next_preset[40];
    char  current[40];
    struct sockaddr_in last_peer;
};

static struct amp amp = { .drive_db = -6.0f, .fade = 1.0f };
static char presets[MAX_PRESETS][40];
static int  n_presets;
static int  sock = -1;

static void trace(const char *what, double v)
{
    fprintf(stderr, "loopd: %s %.2f\n", what, v);
}

static void load_presets(void)
{
    FILE *f = fopen(PRESET_DIR "/index", "r");

    if (f == NULL) {
        strcpy(presets[n_presets++], "factory");
        strcpy(presets[n_presets++], "speech");
        strcpy(presets[n_presets++], "music");
        return;
    }
    while (n_presets < MAX_PRESETS && fscanf(f, "%39s", presets[n_presets]) == 1)
        n_presets++;
    fclose(f);
}

static void dsp_write(const char *reg, float v)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/sys/class/loopdsp/amp0/%s", reg);
    f = fopen(path, "w");
    if (f) {
        fprintf(f, "%.3f\n", (double)v);
        fclose(f);
    }
}

/* ---------------------------------------------------------------- OSC */

static uint32_t rd32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* returns the padded string at *pos and moves behind it */
static const char *osc_string(const uint8_t *d, size_t len, size_t *pos)
{
    const char *s = (const char *)d + *pos;
    const void *z;

    if (*pos >= len)
        return NULL;
    z = memchr(s, 0, len - *pos);
    if (z == NULL)
        return NULL;
    *pos += ((size_t)((const char *)z - s) + 4) & ~(size_t)3;
    return s;
}

static int osc_parse(const uint8_t *d, size_t len, struct osc_msg *m)
{
    size_t pos = 0;
    const char *tags;

    memset(m, 0, sizeof *m);
    m->addr = osc_string(d, len, &pos);
    if (m->addr == NULL || m->addr[0] != '/')
        return -1;
    tags = osc_string(d, len, &pos);
    if (tags == NULL || *tags++ != ',')
        return 0;
    for (; *tags && m->argc < MAX_ARGS; tags++) {
        struct osc_arg *a = &m->argv[m->argc];
        uint32_t w;

        a->type = *tags;
        switch (*tags) {
        case 'i':
        case 'f':
            if (len < 4 || pos > len - 4)
                return -1;
            w = rd32(d + pos);
            memcpy(&a->u, &w, 4);
            pos += 4;
            break;
        case 's':
            a->u.s = osc_string(d, len, &pos);
            if (a->u.s == NULL)
                return -1;
            break;
        default:
            return -1;
        }
        m->argc++;
    }
    return 0;
}

static uint32_t fnv1a(const char *s)
{
    uint32_t h = 2166136261u;

    while (*s) {
        h ^= (uint8_t)*s++;
        h *= 16777619u;
    }
    return h;
}

/* ---------------------------------------------------------------- handlers */

static void on_drive(const struct osc_msg *m)
{
    if (m->argc == 1 && m->argv[0].type == 'f' &&
        m->argv[0].u.f >= -60.0f && m->argv[0].u.f <= 6.0f) {
        amp.drive_db = m->argv[0].u.f;
        dsp_write("drive", amp.drive_db);
    }
}

static void on_mute(const struct osc_msg *m)
{
    if (m->argc == 1 && m->argv[0].type == 'i') {
        amp.muted = m->argv[0].u.i != 0;
        dsp_write("mute", amp.muted);
    }
}

static void on_metal(const struct osc_msg *m)
{
    if (m->argc == 1 && m->argv[0].type == 'i' &&
        m->argv[0].u.i >= 0 && m->argv[0].u.i <= 8) {
        amp.metal_comp = m->argv[0].u.i * 0.5f;
        dsp_write("metal", amp.metal_comp);
    }
}

static void on_preset(const struct osc_msg *m)
{
    const char *name;
    int i;

    if (m->argc < 1 || m->argv[0].type != 's')
        return;
    name = m->argv[0].u.s;
    for (i = 0; i < n_presets; i++)
        if (strcmp(presets[i], name) == 0)
            break;
    if (i == n_presets)
        return;
    strcpy(amp.next_preset, presets[i]);
    amp.fade_dir = -1;
}

static void on_query(const struct osc_msg *m)
{
    uint8_t out[64] = "/state";
    uint32_t w;

    memcpy(out + 8, ",i", 2);
    w = htonl(amp.muted);
    memcpy(out + 12, &w, 4);
    sendto(sock, out, 16, 0, (struct sockaddr *)&amp.last_peer, sizeof amp.last_peer);
}

/* keyed by fnv1a(address), see doc/osc-map.txt */
static const struct {
    uint32_t hash;
    void (*fn)(const struct osc_msg *);
} osc_map[] = {
    { 0x5b0d23bfu, on_drive },
    { 0x88dadf6cu, on_mute },
    { 0xc442f8f4u, on_metal },
    { 0xe0b1c7e6u, on_preset },
    { 0xaaca049eu, on_query },
};

/* ---------------------------------------------------------------- timer */

static void recall(void)
{
    char cmd[160];
    int status;
    pid_t pid;

    snprintf(cmd, sizeof cmd, "alsactl -f " PRESET_DIR "/%s.state restore amp0 && "
             "logger -t loopd preset changed", amp.next_preset);
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", cmd, (char *)0);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        trace("fork", errno);
        return;
    }
    trace("preset exit status", WEXITSTATUS(status));
    strcpy(amp.current, amp.next_preset);
    amp.next_preset[0] = '\0';
}

static void fade_step(void)
{
    if (amp.fade_dir == 0)
        return;
    amp.fade += 0.1f * amp.fade_dir;
    if (amp.fade <= 0.0f) {
        amp.fade = 0.0f;
        if (amp.next_preset[0])
            recall();
        amp.fade_dir = 1;
    } else if (amp.fade >= 1.0f) {
        amp.fade = 1.0f;
        amp.fade_dir = 0;
    }
    dsp_write("fade", amp.fade);
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(OSC_PORT) };
    uint8_t pkt[512];

    load_presets();
    sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (sock < 0 || bind(sock, (struct sockaddr *)&sa, sizeof sa) < 0) {
        perror("loopd");
        return 1;
    }
    for (;;) {
        struct pollfd pfd = { sock, POLLIN, 0 };

        if (poll(&pfd, 1, STEP_MS) > 0) {
            socklen_t sl = sizeof amp.last_peer;
            ssize_t n = recvfrom(sock, pkt, sizeof pkt, 0,
                                 (struct sockaddr *)&amp.last_peer, &sl);
            struct osc_msg m;

            if (n > 0 && osc_parse(pkt, n, &m) == 0) {
                uint32_t h = fnv1a(m.addr);
                size_t i;

                for (i = 0; i < sizeof osc_map / sizeof osc_map[0]; i++)
                    if (osc_map[i].hash == h)
                        osc_map[i].fn(&m);
            }
            continue;
        }
        fade_step();
    }
}
