/* Small web server of an IP intercom for software updates. A PUT or POST stores the body as a file, and a state machine
 * that the main loop drives has it verified and written. The file's name is what the client calls it, apart from a
 * few characters that are refused (benign: it is always the same, the client's name is only shown). */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define UPLOAD_DIR "/tmp/upload"
#define NAME_LEN 80
#define MAX_IMAGE (16L * 1024 * 1024)

typedef enum { ST_IDLE, ST_RECEIVED, ST_VERIFY, ST_FLASH, ST_DONE, ST_FAILED, ST_COUNT } upd_state;

static const char *const state_names[ST_COUNT] = {"idle", "received", "verify", "flash", "done", "failed"};

static struct update {
    upd_state state;
    char file[NAME_LEN];  /* name below UPLOAD_DIR */
    char label[NAME_LEN]; /* shown on the status page */
    long size;
    int percent;
    time_t since;
} upd;

struct request {
    char *method;
    char *target;
    char *file_name;
    long length;
    int expect_continue;
};

static void state_set(upd_state s)
{
    printf("update: %s -> %s\n", state_names[upd.state], state_names[s]);
    upd.state = s;
    upd.since = time(NULL);
}

static char *trim(char *s)
{
    char *e;
    while (isspace((unsigned char)*s))
        ++s;
    e = s + strlen(s);
    while (e > s && isspace((unsigned char)e[-1]))
        --e;
    *e = '\0';
    return s;
}

static int name_refused(const char *name)
{
    if (strlen(name) >= NAME_LEN || *name == '\0' || *name == '.' || *name == '-')
        return 1;
    if (strchr(name, '/') || strstr(name, ".."))
        return 1;
    return strpbrk(name, ";&|<>\"'") != NULL;
}

/* ---- steps of the update ---- */

static void step_received(void)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof path, UPLOAD_DIR "/%s", upd.file);
    if (stat(path, &st) < 0 || st.st_size != upd.size) {
        state_set(ST_FAILED);
        return;
    }
    state_set(ST_VERIFY);
}

static void step_verify(void)
{
    char cmd[200];
    int rc;

    snprintf(cmd, sizeof cmd, "cd " UPLOAD_DIR " && fwverify -k /etc/fw.pub %s", upd.file);
    rc = system(cmd);
    state_set(rc == 0 ? ST_FLASH : ST_FAILED);
}

static void step_flash(void)
{
    char cmd[200], line[80];
    FILE *p;

    snprintf(cmd, sizeof cmd, "fwwrite -p -m /dev/mtd3 %s/%s", UPLOAD_DIR, upd.file);
    if ((p = popen(cmd, "r")) == NULL) {
        state_set(ST_FAILED);
        return;
    }
    while (fgets(line, sizeof line, p))
        sscanf(line, "progress %d", &upd.percent);
    state_set(pclose(p) == 0 ? ST_DONE : ST_FAILED);
}

static void step_done(void)
{
    if (time(NULL) - upd.since < 10)
        return;
    sync();
    state_set(ST_IDLE);
    system("reboot");
}

static void step_failed(void)
{
    if (time(NULL) - upd.since > 60)
        state_set(ST_IDLE);
}

static void (*const steps[ST_COUNT])(void) = {NULL, step_received, step_verify, step_flash, step_done, step_failed};

/* ---- http ---- */

static void respond(FILE *io, int code, const char *why, const char *text)
{
    dprintf(fileno(io), "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %lu\r\nConnection: close\r\n\r\n%s", code, why,
            (unsigned long)strlen(text), text);
}

static int read_head(FILE *io, struct request *rq)
{
    char *line = NULL, *p, *name;
    size_t cap = 0;
    int first = 1;

    while (getline(&line, &cap, io) > 0) {
        p = trim(line);
        if (*p == '\0') {
            if (first)
                continue;
            free(line);
            return rq->method && rq->target ? 0 : -1;
        }
        if (first) {
            p = strtok(p, " ");
            rq->method = p ? strdup(p) : NULL;
            p = strtok(NULL, " ");
            rq->target = p ? strdup(p) : NULL;
            first = 0;
            continue;
        }
        name = strtok(p, ":");
        p = strtok(NULL, "");
        if (!name || !p)
            continue;
        p = trim(p);
        if (strcasecmp(name, "Content-Length") == 0)
            rq->length = atol(p);
        else if (strcasecmp(name, "X-File-Name") == 0 && !rq->file_name)
            rq->file_name = strdup(p);
        else if (strcasecmp(name, "Expect") == 0)
            rq->expect_continue = 1;
    }
    free(line);
    return -1;
}

static int store_body(FILE *io, const char *file, long length)
{
    static char block[4096];
    char path[128];
    long left = length;
    size_t n;
    FILE *out;

    mkdir(UPLOAD_DIR, 0700);
    snprintf(path, sizeof path, "%s/%s", UPLOAD_DIR, file);
    if ((out = fopen(path, "wb")) == NULL)
        return -errno;
    while (left > 0) {
        n = fread(block, 1, left < (long)sizeof block ? (size_t)left : sizeof block, io);
        if (n == 0)
            break;
        if (fwrite(block, 1, n, out) != n)
            break;
        left -= (long)n;
    }
    fclose(out);
    if (left > 0)
        unlink(path);
    return left > 0 ? -EIO : 0;
}

static void do_upload(FILE *io, struct request *rq)
{
    const char *given = rq->file_name ? rq->file_name : "firmware.bin";

    if (upd.state != ST_IDLE && upd.state != ST_FAILED) {
        respond(io, 409, "Conflict", "update is running\n");
        return;
    }
    if (rq->length <= 0 || rq->length > MAX_IMAGE || name_refused(given)) {
        respond(io, 400, "Bad Request", "length or name\n");
        return;
    }
#ifdef BENIGN
    strcpy(upd.file, "firmware.bin");
#else
    strcpy(upd.file, given);
#endif
    strcpy(upd.label, given);
    upd.size = rq->length;
    upd.percent = 0;
    if (rq->expect_continue)
        dprintf(fileno(io), "HTTP/1.1 100 Continue\r\n\r\n");
    if (store_body(io, upd.file, rq->length) < 0) {
        respond(io, 500, "Error", "not stored\n");
        return;
    }
    state_set(ST_RECEIVED);
    respond(io, 202, "Accepted", "stored\n");
}

static void do_status(FILE *io, struct request *rq)
{
    char text[256];

    (void)rq;
    snprintf(text, sizeof text, "state=%s\nfile=%s\nsize=%ld\npercent=%d\n", state_names[upd.state], upd.label, upd.size, upd.percent);
    respond(io, 200, "OK", text);
}

static void do_cancel(FILE *io, struct request *rq)
{
    (void)rq;
    if (upd.state == ST_RECEIVED || upd.state == ST_FAILED)
        state_set(ST_IDLE);
    respond(io, 200, "OK", state_names[upd.state]);
}

static const struct route {
    const char *method, *target;
    void (*fn)(FILE *io, struct request *rq);
} routes[] = {
    {"PUT", "/update", do_upload}, {"POST", "/update", do_upload}, {"GET", "/status", do_status}, {"POST", "/cancel", do_cancel}, {0, 0, 0},
};

static void client(int fd)
{
    struct request rq;
    const struct route *r;
    FILE *io = fdopen(fd, "r");

    if (!io) {
        close(fd);
        return;
    }
    memset(&rq, 0, sizeof rq);
    if (read_head(io, &rq) == 0) {
        for (r = routes; r->fn; r++)
            if (!strcmp(r->method, rq.method) && !strcmp(r->target, rq.target))
                break;
        if (r->fn)
            r->fn(io, &rq);
        else
            respond(io, 404, "Not Found", "no such page\n");
    }
    free(rq.method);
    free(rq.target);
    free(rq.file_name);
    fclose(io);
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    struct pollfd pf;
    int port = 8081, o, yes = 1;

    while ((o = getopt(argc, argv, "p:")) != -1)
        if (o == 'p')
            port = atoi(optarg);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(port);
    pf.fd = socket(AF_INET, SOCK_STREAM, 0);
    pf.events = POLLIN;
    setsockopt(pf.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(pf.fd, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(pf.fd, 3) < 0) {
        perror("update server");
        return 1;
    }
    for (;;) {
        if (poll(&pf, 1, 1000) > 0) {
            int fd = accept(pf.fd, NULL, NULL);
            if (fd >= 0)
                client(fd);
        }
        if (steps[upd.state])
            steps[upd.state]();
    }
}
