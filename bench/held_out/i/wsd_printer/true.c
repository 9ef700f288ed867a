/*
 * wsdpd - web services discovery responder for the LX-210 label printer
 *
 * Answers Probe / Resolve and implements the vendor "SetAlias" and
 * "SetTray" actions that the PC side setup assistant multicasts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>
#include <errno.h>
#include <syslog.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define WSD_PORT        3702
#define WSD_GROUP       "239.255.255.250"
#define WSD_MAXMSG      4096
#define KV_MAX          24
#define KV_FILE         "/var/lib/lx210/props"

/* ------------------------------------------------------------------ */
/* property store                                                      */
/* ------------------------------------------------------------------ */

struct prop {
    char    name[32];
    char    value[160];
    int     dirty;
};

static struct prop  props[KV_MAX];
static int          nprops;

static struct prop *prop_find(const char *name)
{
    int i;

    for (i = 0; i < nprops; i++)
        if (!strcmp(props[i].name, name))
            return &props[i];
    return NULL;
}

static int prop_set(const char *name, const char *value)
{
    struct prop *p = prop_find(name);

    if (!p) {
        if (nprops >= KV_MAX)
            return -1;
        p = &props[nprops++];
        snprintf(p->name, sizeof(p->name), "%s", name);
    }
    if (strcmp(p->value, value)) {
        snprintf(p->value, sizeof(p->value), "%s", value);
        p->dirty = 1;
    }
    return 0;
}

static const char *prop_get(const char *name, const char *dflt)
{
    struct prop *p = prop_find(name);

    return p && p->value[0] ? p->value : dflt;
}

static void prop_save(void)
{
    FILE *fp = fopen(KV_FILE, "w");
    int i;

    if (!fp)
        return;
    for (i = 0; i < nprops; i++)
        fprintf(fp, "%s=%s\n", props[i].name, props[i].value);
    fclose(fp);
}

/* ------------------------------------------------------------------ */
/* little helpers                                                      */
/* ------------------------------------------------------------------ */

static int run(const char *fmt, ...)
{
    char cmd[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(cmd))
        return -1;
    syslog(LOG_DEBUG, "run: %s", cmd);
    return system(cmd);
}

static const struct { const char *ent; int len; char c; } entities[] = {
    { "&quot;", 6, '"'  },
    { "&apos;", 6, '\'' },
    { "&amp;",  5, '&'  },
    { "&lt;",   4, '<'  },
    { "&gt;",   4, '>'  },
};

/* find the text of the first element whose local name is `tag' */
static int xml_text(const char *doc, const char *tag, char *out, size_t outsz)
{
    size_t tl = strlen(tag), n = 0, i;
    const char *p = doc;

    while ((p = strstr(p, tag)) != NULL) {
        if (p > doc && (p[-1] == '<' || p[-1] == ':') &&
            (p[tl] == '>' || p[tl] == ' '))
            break;
        p += tl;
    }
    if (!p || !(p = strchr(p, '>')))
        return -1;
    p++;
    while (*p && *p != '<' && n + 1 < outsz) {
        if (*p == '&') {
            for (i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
                if (!strncmp(p, entities[i].ent, entities[i].len))
                    break;
            if (i < sizeof(entities) / sizeof(entities[0])) {
                out[n++] = entities[i].c;
                p += entities[i].len;
                continue;
            }
        }
        out[n++] = *p++;
    }
    out[n] = 0;
    return (int)n;
}

static void tidy_alias(char *s)
{
    char *w = s;

    for (; *s; s++) {
        if (strchr(";|&<>\"'`\\", *s))
            continue;
        if (*s == '\n' || *s == '\r')
            continue;
        *w++ = *s;
    }
    *w = 0;
}

/* ------------------------------------------------------------------ */
/* actions                                                             */
/* ------------------------------------------------------------------ */

struct wsd_ctx {
    int                 fd;
    struct sockaddr_in  peer;
    const char         *doc;
    char                msgid[80];
};

static void reply(struct wsd_ctx *c, const char *action, const char *body)
{
    char out[2048];
    int n;

    n = snprintf(out, sizeof(out),
        "<?xml version=\"1.0\"?><soap:Envelope><soap:Header>"
        "<wsa:Action>%s</wsa:Action><wsa:RelatesTo>%s</wsa:RelatesTo>"
        "</soap:Header><soap:Body>%s</soap:Body></soap:Envelope>",
        action, c->msgid, body);
    if (n > 0 && n < (int)sizeof(out))
        sendto(c->fd, out, n, 0, (struct sockaddr *)&c->peer, sizeof(c->peer));
}

static void act_bye(struct wsd_ctx *c)
{
    syslog(LOG_INFO, "%s left", inet_ntoa(c->peer.sin_addr));
}

static void act_probe(struct wsd_ctx *c)
{
    char types[96];

    if (xml_text(c->doc, "Types", types, sizeof(types)) > 0 &&
        !strstr(types, "PrintDeviceType"))
        return;
    reply(c, "ProbeMatches", "<wsd:ProbeMatch><wsd:Types>wprt:PrintDeviceType"
          "</wsd:Types></wsd:ProbeMatch>");
}

static void act_resolve(struct wsd_ctx *c)
{
    char body[400];

    snprintf(body, sizeof(body), "<wsd:ResolveMatch><lx:Alias>%s</lx:Alias>"
             "<wsd:XAddrs>http://%s:5357/</wsd:XAddrs></wsd:ResolveMatch>",
             prop_get("prn.alias", "LX-210"), prop_get("net.ip", "0.0.0.0"));
    reply(c, "ResolveMatches", body);
}

static void act_setalias(struct wsd_ctx *c)
{
    char alias[128];

    if (xml_text(c->doc, "Alias", alias, sizeof(alias)) <= 0)
        return;
    tidy_alias(alias);
    if (prop_set("prn.alias", alias) == 0)
        reply(c, "SetAliasResponse", "<lx:Result>OK</lx:Result>");
}

static void act_settray(struct wsd_ctx *c)
{
    char v[16];
    int tray;

    if (xml_text(c->doc, "Tray", v, sizeof(v)) <= 0)
        return;
    tray = atoi(v);
    if (tray < 1 || tray > 3)
        return;
    snprintf(v, sizeof(v), "%d", tray);
    prop_set("prn.tray", v);
}

static const struct action {
    const char *name;
    void (*fn)(struct wsd_ctx *);
} actions[] = {                     /* keep sorted */
    { "Bye",      act_bye      },
    { "Probe",    act_probe    },
    { "Resolve",  act_resolve  },
    { "SetAlias", act_setalias },
    { "SetTray",  act_settray  },
};

static int action_cmp(const void *k, const void *e)
{
    return strcmp(k, ((const struct action *)e)->name);
}

static void wsd_input(struct wsd_ctx *c)
{
    char uri[160], *name;
    const struct action *a;

    if (xml_text(c->doc, "Action", uri, sizeof(uri)) <= 0)
        return;
    if (xml_text(c->doc, "MessageID", c->msgid, sizeof(c->msgid)) < 0)
        c->msgid[0] = 0;
    name = strrchr(uri, '/');
    name = name ? name + 1 : uri;
    a = bsearch(name, actions, sizeof(actions) / sizeof(actions[0]),
                sizeof(actions[0]), action_cmp);
    if (a)
        a->fn(c);
}

static void housekeeping(void)
{
    struct prop *p;

    if ((p = prop_find("prn.alias")) != NULL && p->dirty) {
        p->dirty = 0;
        run("lpadmin -p lx0 -D \"%s\"", p->value);
        prop_save();
    }
    if ((p = prop_find("prn.tray")) != NULL && p->dirty) {
        p->dirty = 0;
        run("lpadmin -p lx0 -o InputSlot=Tray%d", atoi(p->value));
        prop_save();
    }
}

int main(void)
{
    static char buf[WSD_MAXMSG];
    struct sockaddr_in sa;
    struct ip_mreq mr;
    struct wsd_ctx c;
    time_t last = 0;
    int fd, on = 1;

    openlog("wsdpd", LOG_PID, LOG_DAEMON);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0)
        return 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(WSD_PORT);
    if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        syslog(LOG_ERR, "bind: %s", strerror(errno));
        return 1;
    }
    inet_aton(WSD_GROUP, &mr.imr_multiaddr);
    mr.imr_interface.s_addr = INADDR_ANY;
    setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr));

    for (;;) {
        struct timeval tv = { 2, 0 };
        fd_set r;

        FD_ZERO(&r);
        FD_SET(fd, &r);
        if (select(fd + 1, &r, NULL, NULL, &tv) > 0) {
            socklen_t sl = sizeof(c.peer);
            ssize_t n = recvfrom(fd, buf, sizeof(buf) - 1, 0,
                                 (struct sockaddr *)&c.peer, &sl);
            if (n > 0) {
                buf[n] = 0;
                c.fd = fd;
                c.doc = buf;
                wsd_input(&c);
            }
        }
        if (time(NULL) - last >= 5) {
            last = time(NULL);
            housekeeping();
        }
    }
}
