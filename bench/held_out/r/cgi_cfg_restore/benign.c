/*
 * restore.cgi - settings backup and restore of the access point
 *   GET  ?do=info | do=save
 *   POST (application/octet-stream) the backup file
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <sys/stat.h>

#define CFG_PART    "/dev/mtd3"
#define TMP_FILE    "/tmp/restore.bin"
#define LOG_FILE    "/var/log/restore.log"
#define MAX_UPLOAD  (256 * 1024)
#define BLOCK       4096

struct backup_head {
    char     magic[4];          /* CFGB */
    uint8_t  version[4];
    uint8_t  length[4];         /* big endian, without the head */
    uint8_t  sum[4];
};

struct board {
    char model[32];
    char hwver[16];
    unsigned long max_upload;
};

static struct board board = { "AP-600", "A1", MAX_UPLOAD };

static void logmsg(const char *what, long n)
{
    FILE *fp = fopen(LOG_FILE, "a");
    char stamp[32];
    time_t now = time(NULL);

    if (!fp)
        return;
    strftime(stamp, sizeof(stamp), "%F %T", localtime(&now));
    fprintf(fp, "%s %s (%ld)\n", stamp, what, n);
    fclose(fp);
}

static uint32_t be32(const uint8_t *p)
{
    return ((uint32_t)p[0] << 24) | (p[1] << 16) | (p[2] << 8) | p[3];
}

static uint32_t checksum(uint32_t sum, const uint8_t *p, size_t n)
{
    while (n--) {
        sum = (sum << 1) | (sum >> 31);
        sum += *p++;
    }
    return sum;
}

static void page(const char *title, const char *text)
{
    printf("Content-Type: text/html\r\nPragma: no-cache\r\n\r\n");
    printf("<html><head><title>%s</title></head><body><h3>%s</h3><p>%s</p></body></html>\n", title, title, text);
}

static int fail(const char *text, long n)
{
    logmsg(text, n);
    page("Restore failed", text);
    return 1;
}

static void load_board(void)
{
    char line[96], *eq;
    FILE *fp = fopen("/etc/board.conf", "r");

    if (!fp)
        return;
    while (fgets(line, sizeof(line), fp)) {
        line[strcspn(line, "\r\n")] = '\0';
        if ((eq = strchr(line, '=')) == NULL)
            continue;
        *eq++ = '\0';
        if (!strcasecmp(line, "model"))
            snprintf(board.model, sizeof(board.model), "%s", eq);
        else if (!strcasecmp(line, "hwver"))
            snprintf(board.hwver, sizeof(board.hwver), "%s", eq);
        else if (!strcasecmp(line, "max_upload")) {
            board.max_upload = strtoul(eq, NULL, 0);
            if (board.max_upload < BLOCK || board.max_upload > MAX_UPLOAD)
                board.max_upload = MAX_UPLOAD;
        }
    }
    fclose(fp);
}

static int do_info(void)
{
    struct stat st;

    printf("Content-Type: application/json\r\n\r\n");
    printf("{\"model\":\"%s\",\"hw\":\"%s\",\"max\":%lu,\"pending\":%d}\n",
           board.model, board.hwver, board.max_upload, stat(TMP_FILE, &st) == 0);
    return 0;
}

static int do_save(void)
{
    struct backup_head h;
    uint8_t blk[BLOCK];
    size_t n, total = 0;
    uint32_t sum = 0;
    FILE *fp = fopen(CFG_PART, "rb");

    if (!fp)
        return fail("no settings", 0);
    while (total < 65536 && (n = fread(blk, 1, sizeof(blk), fp)) > 0) {
        sum = checksum(sum, blk, n);
        total += n;
    }
    memcpy(h.magic, "CFGB", 4);
    memset(h.version, 0, sizeof(h.version));
    h.version[3] = 2;
    h.length[0] = total >> 24;
    h.length[1] = total >> 16;
    h.length[2] = total >> 8;
    h.length[3] = total;
    h.sum[0] = sum >> 24;
    h.sum[1] = sum >> 16;
    h.sum[2] = sum >> 8;
    h.sum[3] = sum;
    printf("Content-Type: application/octet-stream\r\n");
    printf("Content-Disposition: attachment; filename=\"%s.cfg\"\r\n\r\n", board.model);
    fwrite(&h, sizeof(h), 1, stdout);
    rewind(fp);
    while (total > 0 && (n = fread(blk, 1, total < sizeof(blk) ? total : sizeof(blk), fp)) > 0) {
        fwrite(blk, 1, n, stdout);
        total -= n;
    }
    fclose(fp);
    return 0;
}

/* body of the upload from stdin to the file, returns its sum */
static long store_body(FILE *out, unsigned long left, uint32_t *sum)
{
    uint8_t blk[BLOCK];
    unsigned long total = 0;
    size_t n;

    while (left > 0) {
        n = fread(blk, 1, left < sizeof(blk) ? left : sizeof(blk), stdin);
        if (n == 0)
            break;
        *sum = checksum(*sum, blk, n);
        if (fwrite(blk, 1, n, out) != n)
            return -1;
        left -= n;
        total += n;
    }
    return (long)total;
}

static int do_restore(void)
{
    struct backup_head h;
    const char *cl = getenv("CONTENT_LENGTH"), *ct = getenv("CONTENT_TYPE");
    unsigned long len;
    uint32_t sum = 0;
    long got;
    FILE *out;

    if (!cl || !ct || strncasecmp(ct, "application/octet-stream", 24))
        return fail("bad request", 0);
    len = strtoul(cl, NULL, 10);
    if (len <= sizeof(h) || len > board.max_upload)
        return fail("file too small or too large", (long)len);
    if (fread(&h, sizeof(h), 1, stdin) != 1)
        return fail("short file", 0);
    if (memcmp(h.magic, "CFGB", 4))
        return fail("not a settings file", 0);
    if (be32(h.version) < 1 || be32(h.version) > 2)
        return fail("settings of another firmware", be32(h.version));
    len -= sizeof(h);
    if (be32(h.length) != len)
        return fail("length differs", (long)len);
    out = fopen(TMP_FILE, "wb");
    if (!out)
        return fail("no room", 0);
    got = store_body(out, len, &sum);
    if (fclose(out) != 0 || got != (long)len) {
        unlink(TMP_FILE);
        return fail("transfer broken", got);
    }
    if (sum != be32(h.sum)) {
        unlink(TMP_FILE);
        return fail("checksum", (long)sum);
    }
    logmsg("settings accepted", got);
    page("Restore", "The settings were accepted, the device restarts.");
    fflush(stdout);
    if (system("/sbin/cfgload " TMP_FILE " >/dev/null 2>&1 && reboot") != 0)
        logmsg("cfgload", -1);
    return 0;
}

static int get_param(const char *name, char *out, size_t size)
{
    const char *q = getenv("QUERY_STRING"), *e;
    size_t n = strlen(name), len;

    while (q && *q) {
        e = strchr(q, '&');
        len = e ? (size_t)(e - q) : strlen(q);
        if (len > n && !strncmp(q, name, n) && q[n] == '=') {
            len -= n + 1;
            if (len >= size)
                len = size - 1;
            memcpy(out, q + n + 1, len);
            out[len] = '\0';
            return 1;
        }
        q = e ? e + 1 : NULL;
    }
    return 0;
}

static const struct {
    const char *name;
    int (*fn)(void);
} gets[] = {
    { "info", do_info },
    { "save", do_save },
};

int main(void)
{
    const char *m = getenv("REQUEST_METHOD");
    char what[16];
    size_t i;

    load_board();
    if (m && !strcmp(m, "POST"))
        return do_restore();
    if (get_param("do", what, sizeof(what)))
        for (i = 0; i < sizeof(gets) / sizeof(gets[0]); i++)
            if (!strcmp(what, gets[i].name))
                return gets[i].fn();
    page("Backup", "<a href=\"?do=save\">Save settings</a>");
    return 0;
}
