#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <unistd.h>

/* Update-Agent fuer Steuergeraete der Serie EC2 */

#define UPD_PORT        4711
#define UPD_LINE        320
#define UPD_URL         200
#define SERVICE_WORDLEN 10u

typedef enum { UPD_IDLE, UPD_LOADING, UPD_READY, UPD_FAILED } UpdState;

typedef struct UpdContext
{
    UpdState state;
    bool     unlocked;
    uint32_t serial;
    uint32_t size;
    char     url[UPD_URL];
    char     digest[33];
} UpdContext;

typedef bool (*UpdCommand)(UpdContext *ctx, int fd, const char *arg);

static void upd_log(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("upd: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

static void upd_reply(int fd, const char *fmt, ...)
{
    char out[300];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(out, sizeof(out) - 1u, fmt, ap);
    va_end(ap);
    if (n < 0)
    {
        return;
    }
    if ((size_t)n > sizeof(out) - 2u)
    {
        n = (int)(sizeof(out) - 2u);
    }
    out[n++] = '\n';
    (void)send(fd, out, (size_t)n, MSG_NOSIGNAL);
}

static void service_word(char word[SERVICE_WORDLEN + 1u])
{
    uint32_t x = 7u;
    unsigned i;

    for (i = 0u; i < SERVICE_WORDLEN; i++)
    {
        x = (x * 37u + 11u) % 251u;
        word[i] = (char)('a' + (x % 26u));
    }
    word[SERVICE_WORDLEN] = '\0';
}

static bool url_valid(const char *url)
{
    const char *p;

    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
    {
        return false;
    }
    if (strlen(url) >= UPD_URL)
    {
        return false;
    }
    for (p = url; *p != '\0'; p++)
    {
        if (isspace((unsigned char)*p) || *p == ';' || *p == '|' || *p == '\'' || *p == '"')
        {
            return false;
        }
    }
    return true;
}

static bool fetch_image(UpdContext *ctx)
{
    char command[UPD_URL + 96];
    char line[128];
    FILE *pipe;

    ctx->state = UPD_LOADING;
    ctx->digest[0] = '\0';
    snprintf(command, sizeof(command), "wget -q -T 20 -O /tmp/ec2.img %s && md5sum /tmp/ec2.img", ctx->url);
    pipe = popen(command, "r");
    if (pipe == NULL)
    {
        ctx->state = UPD_FAILED;
        return false;
    }
    while (fgets(line, sizeof(line), pipe) != NULL)
    {
        if (sscanf(line, "%32[0-9a-f]", ctx->digest) != 1)
        {
            upd_log("wget: %s", line);
        }
    }
    if (pclose(pipe) != 0 || strlen(ctx->digest) != 32u)
    {
        ctx->state = UPD_FAILED;
        return false;
    }
    ctx->state = UPD_READY;
    return true;
}

static bool cmd_ident(UpdContext *ctx, int fd, const char *arg)
{
    (void)arg;
    upd_reply(fd, "EC2 serial=%08lx state=%d", (unsigned long)ctx->serial, (int)ctx->state);
    return true;
}

static bool cmd_unlock(UpdContext *ctx, int fd, const char *arg)
{
    char word[SERVICE_WORDLEN + 1u];

    service_word(word);
    ctx->unlocked = (strcmp(arg, word) == 0);
    upd_reply(fd, ctx->unlocked ? "unlocked" : "denied");
    return ctx->unlocked;
}

static bool cmd_source(UpdContext *ctx, int fd, const char *arg)
{
    if (!url_valid(arg))
    {
        upd_reply(fd, "bad url");
        return true;
    }
    memcpy(ctx->url, arg, strlen(arg) + 1u);
    ctx->state = UPD_IDLE;
    upd_reply(fd, "ok");
    return true;
}

static bool cmd_fetch(UpdContext *ctx, int fd, const char *arg)
{
    (void)arg;
    if (!ctx->unlocked || ctx->url[0] == '\0')
    {
        upd_reply(fd, "not allowed");
        return true;
    }
    if (fetch_image(ctx))
    {
        upd_reply(fd, "md5=%s", ctx->digest);
    }
    else
    {
        upd_reply(fd, "fetch failed");
    }
    return true;
}

static bool cmd_flash(UpdContext *ctx, int fd, const char *arg)
{
    int rc;

    if (ctx->state != UPD_READY || strcmp(arg, ctx->digest) != 0)
    {
        upd_reply(fd, "not ready");
        return true;
    }
    rc = system("/sbin/flashcp /tmp/ec2.img /dev/mtd3");
    upd_reply(fd, "flash rc=%d", rc);
    ctx->state = UPD_IDLE;
    return rc == 0;
}

static const struct
{
    const char *verb;
    UpdCommand  run;
} commands[] =
{
    { "IDENT",  cmd_ident  },
    { "UNLOCK", cmd_unlock },
    { "SOURCE", cmd_source },
    { "FETCH",  cmd_fetch  },
    { "FLASH",  cmd_flash  },
};

static bool line_execute(UpdContext *ctx, int fd, char *line)
{
    char *arg = strchr(line, ' ');
    size_t i;

    if (arg != NULL)
    {
        *arg++ = '\0';
    }
    for (i = 0u; i < sizeof(commands) / sizeof(commands[0]); i++)
    {
        if (strcasecmp(line, commands[i].verb) == 0)
        {
            return commands[i].run(ctx, fd, (arg != NULL) ? arg : "");
        }
    }
    upd_reply(fd, "unknown");
    return true;
}

static void session(UpdContext *ctx, int fd)
{
    char line[UPD_LINE];
    size_t fill = 0u;
    bool alive = true;

    ctx->unlocked = false;
    while (alive)
    {
        char *nl;
        ssize_t n = recv(fd, line + fill, sizeof(line) - 1u - fill, 0);

        if (n <= 0)
        {
            break;
        }
        fill += (size_t)n;
        line[fill] = '\0';
        while (alive && (nl = strchr(line, '\n')) != NULL)
        {
            size_t used = (size_t)(nl - line) + 1u;

            *nl = '\0';
            if (nl > line && nl[-1] == '\r')
            {
                nl[-1] = '\0';
            }
            alive = line_execute(ctx, fd, line);
            fill -= used;
            memmove(line, line + used, fill + 1u);
        }
        if (fill >= sizeof(line) - 1u)
        {
            upd_log("line too long");
            break;
        }
    }
    close(fd);
}

int main(void)
{
    static UpdContext ctx;
    struct sockaddr_in sa;
    int on = 1;
    int s = socket(AF_INET, SOCK_STREAM, 0);

    if (s < 0)
    {
        return 1;
    }
    ctx.serial = 0x00EC2001u;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(UPD_PORT);
    if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 1) < 0)
    {
        upd_log("port %d busy", UPD_PORT);
        return 1;
    }
    for (;;)
    {
        int c = accept(s, NULL, NULL);

        if (c >= 0)
        {
            session(&ctx, c);
        }
    }
}
