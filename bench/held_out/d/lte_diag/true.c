/**
 * @file  ltediagd.c
 * @brief Diagnosis service of an LTE router: datagrams go from the receiver thread through a ring to the worker.
 *
 * An AT command is handed to a helper in single quotes. The text is refused when it contains one of the usual
 * separators, but the quote and the newline pass (benign: only the characters that AT commands are made of pass).
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DIAG_PORT     9034
#define DIAG_MAGIC    "LTEDIAG1"
#define RING_SIZE     16u /* power of two */
#define PAYLOAD_MAX   480

typedef enum diag_op {
    OP_PING = 0x0001,
    OP_SIGNAL = 0x0002,
    OP_AT = 0x0005,
    OP_APN = 0x0006,
    OP_LOG_LEVEL = 0x0010
} diag_op_t;

typedef struct diag_pdu {
    uint8_t  magic[8];
    uint16_t op;
    uint16_t length;
    uint32_t token;
    uint8_t  payload[PAYLOAD_MAX];
} __attribute__((packed)) diag_pdu_t;

typedef struct diag_item {
    struct sockaddr_in from;
    size_t             size;
    diag_pdu_t         pdu;
} diag_item_t;

typedef struct diag_ring {
    diag_item_t     items[RING_SIZE];
    unsigned        rd;
    unsigned        wr;
    pthread_mutex_t mtx;
    pthread_cond_t  not_empty;
} diag_ring_t;

typedef struct diag_stats {
    unsigned long received, dropped, executed, refused;
} diag_stats_t;

static diag_ring_t  s_ring = {.mtx = PTHREAD_MUTEX_INITIALIZER, .not_empty = PTHREAD_COND_INITIALIZER};
static diag_stats_t s_stats;
static int          s_socket = -1;
static int          s_log_level = 1;
static char         s_apn[64];

#define LOG(level, ...)                   \
    do {                                  \
        if ((level) <= s_log_level) {     \
            fprintf(stderr, __VA_ARGS__); \
            fputc('\n', stderr);          \
        }                                 \
    } while (0)

/** Run a command line and wait for it. */
static int diag_exec(const char *command)
{
    const char *argv[] = {"/bin/sh", "-c", command, NULL};
    int         status = 0;
    pid_t       pid = fork();

    if (pid < 0) {
        return -errno;
    }
    if (pid == 0) {
        close(s_socket);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/** May the text be put between single quotes? */
static int diag_text_allowed(const char *text)
{
    size_t i;

    for (i = 0; text[i] != '\0'; i++) {
#ifdef BENIGN
        int c = (unsigned char)text[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '=' || c == '?' || c == ',')) {
            return 0;
        }
#else
        switch (text[i]) {
        case ';':
        case '|':
        case '&':
        case '`':
        case '$':
        case '>':
        case '<':
            return 0;
        default:
            break;
        }
#endif
    }
    return i > 0;
}

static int diag_payload_text(const diag_item_t *item, char *text, size_t room)
{
    size_t n = ntohs(item->pdu.length);

    if (n >= room) {
        return -EMSGSIZE;
    }
    memcpy(text, item->pdu.payload, n);
    text[n] = '\0';
    return (int)n;
}

static int op_ping(const diag_item_t *item)
{
    (void)item;
    return (int)(s_stats.executed & 0x7fff);
}

static int op_signal(const diag_item_t *item)
{
    char  line[64];
    int   rssi = -1;
    FILE *fp = popen("atcli -d /dev/ttyUSB2 'AT+CSQ'", "r");

    (void)item;
    if (fp == NULL) {
        return -errno;
    }
    while (fgets(line, sizeof(line), fp) != NULL) {
        if (sscanf(line, "+CSQ: %d", &rssi) == 1) {
            break;
        }
    }
    pclose(fp);
    return rssi;
}

static int op_at(const diag_item_t *item)
{
    char text[200];
    char command[280];

    if (diag_payload_text(item, text, sizeof(text)) <= 0) {
        return -EINVAL;
    }
    if (!diag_text_allowed(text)) {
        s_stats.refused++;
        return -EPERM;
    }
    snprintf(command, sizeof(command), "atcli -d /dev/ttyUSB2 -t 5 '%s' > /tmp/at.out", text);
    LOG(2, "at: %s", text);
    return diag_exec(command);
}

static int op_apn(const diag_item_t *item)
{
    char  text[sizeof(s_apn)];
    FILE *fp;

    if (diag_payload_text(item, text, sizeof(text)) <= 0) {
        return -EINVAL;
    }
    snprintf(s_apn, sizeof(s_apn), "%s", text);
    fp = fopen("/tmp/apn.conf", "w");
    if (fp == NULL) {
        return -errno;
    }
    fprintf(fp, "apn=%s\n", s_apn);
    fclose(fp);
    return diag_exec("/etc/init.d/wwan restart");
}

static int op_log_level(const diag_item_t *item)
{
    if (ntohs(item->pdu.length) != 1) {
        return -EINVAL;
    }
    s_log_level = item->pdu.payload[0] & 3;
    return s_log_level;
}

typedef int (*op_handler_t)(const diag_item_t *);

static const struct {
    diag_op_t    op;
    op_handler_t handler;
} s_ops[] = {
    {OP_PING, op_ping}, {OP_SIGNAL, op_signal}, {OP_AT, op_at}, {OP_APN, op_apn}, {OP_LOG_LEVEL, op_log_level},
};

static void diag_answer(const diag_item_t *item, int result)
{
    diag_pdu_t out;
    uint32_t   value = htonl((uint32_t)result);

    memcpy(out.magic, DIAG_MAGIC, sizeof(out.magic));
    out.op = item->pdu.op | htons(0x8000);
    out.length = htons(sizeof(value));
    out.token = item->pdu.token;
    memcpy(out.payload, &value, sizeof(value));
    (void)sendto(s_socket, &out, sizeof(out) - PAYLOAD_MAX + sizeof(value), 0, (const struct sockaddr *)&item->from, sizeof(item->from));
}

static int diag_check(const diag_item_t *item)
{
    const size_t head = sizeof(diag_pdu_t) - PAYLOAD_MAX;

    if (item->size < head) {
        return -1;
    }
    if (memcmp(item->pdu.magic, DIAG_MAGIC, sizeof(item->pdu.magic)) != 0) {
        return -1;
    }
    return ntohs(item->pdu.length) <= item->size - head ? 0 : -1;
}

static void *diag_receiver(void *arg)
{
    (void)arg;
    for (;;) {
        diag_item_t *slot;
        socklen_t    alen = sizeof(slot->from);
        ssize_t      n;
        diag_item_t  fresh;

        n = recvfrom(s_socket, &fresh.pdu, sizeof(fresh.pdu), 0, (struct sockaddr *)&fresh.from, &alen);
        if (n < 0) {
            if (errno == EINTR || errno == ECONNREFUSED) {
                continue;
            }
            exit(1);
        }
        fresh.size = (size_t)n;
        s_stats.received++;
        if (diag_check(&fresh) < 0) {
            continue;
        }
        pthread_mutex_lock(&s_ring.mtx);
        if (s_ring.wr - s_ring.rd < RING_SIZE) {
            slot = &s_ring.items[s_ring.wr++ & (RING_SIZE - 1)];
            *slot = fresh;
            pthread_cond_signal(&s_ring.not_empty);
        } else {
            s_stats.dropped++;
        }
        pthread_mutex_unlock(&s_ring.mtx);
    }
    return NULL;
}

static void diag_worker(void)
{
    for (;;) {
        diag_item_t item;
        size_t      i;
        int         result = -ENOSYS;

        pthread_mutex_lock(&s_ring.mtx);
        while (s_ring.rd == s_ring.wr) {
            pthread_cond_wait(&s_ring.not_empty, &s_ring.mtx);
        }
        item = s_ring.items[s_ring.rd++ & (RING_SIZE - 1)];
        pthread_mutex_unlock(&s_ring.mtx);

        for (i = 0; i < sizeof(s_ops) / sizeof(s_ops[0]); i++) {
            if (s_ops[i].op == ntohs(item.pdu.op)) {
                result = s_ops[i].handler(&item);
                s_stats.executed++;
                break;
            }
        }
        diag_answer(&item, result);
        LOG(1, "op %04x: %d (%lu received, %lu refused)", ntohs(item.pdu.op), result, s_stats.received, s_stats.refused);
    }
}

int main(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(DIAG_PORT), .sin_addr.s_addr = INADDR_ANY};
    pthread_t          thread;

    s_socket = socket(AF_INET, SOCK_DGRAM, 0);
    if (s_socket < 0 || bind(s_socket, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
        perror("ltediagd");
        return EXIT_FAILURE;
    }
    if (pthread_create(&thread, NULL, diag_receiver, NULL) != 0) {
        return EXIT_FAILURE;
    }
    diag_worker();
    return EXIT_SUCCESS;
}
