/*
 * wireless.cgi: wireless pages of the access point's web interface. The form fields go to the settings (nvram_set),
 * committing them writes the file of hostapd with what nvram_get gives, then the helper for the key is run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <unistd.h>

#define NVRAM_FILE "/tmp/nvram.dat"
#define HASH_SIZE  31

/* ======================= nvram ======================= */

struct nv {
    struct nv *next;
    char      *val;
    char       key[1];
};

static struct nv *nv_table[HASH_SIZE];

static unsigned nv_hash(const char *k)
{
    unsigned h = 5381;
    while (*k)
        h = h * 33 + (unsigned char)*k++;
    return h % HASH_SIZE;
}

static char *nvram_get(const char *key)
{
    struct nv *n;
    for (n = nv_table[nv_hash(key)]; n; n = n->next)
        if (!strcmp(n->key, key))
            return n->val;
    return "";
}

static void nvram_set(const char *key, const char *val)
{
    unsigned h = nv_hash(key);
    struct nv *n;
    for (n = nv_table[h]; n; n = n->next)
        if (!strcmp(n->key, key))
            break;
    if (!n) {
        n = malloc(sizeof(struct nv) + strlen(key));
        if (!n)
            return;
        strcpy(n->key, key);
        n->val = NULL;
        n->next = nv_table[h];
        nv_table[h] = n;
    }
    free(n->val);
    n->val = strdup(val);
    if (!n->val)
        n->val = strdup("");
}

static void nvram_load(void)
{
    char line[512], *eq;
    FILE *fp = fopen(NVRAM_FILE, "r");
    if (!fp)
        return;
    while (fgets(line, sizeof(line), fp)) {
        line[strcspn(line, "\r\n")] = 0;
        if ((eq = strchr(line, '=')) != NULL) {
            *eq = 0;
            nvram_set(line, eq + 1);
        }
    }
    fclose(fp);
}

static int nvram_commit(void)
{
    int i;
    struct nv *n;
    FILE *fp = fopen(NVRAM_FILE ".new", "w");
    if (!fp)
        return -1;
    for (i = 0; i < HASH_SIZE; i++)
        for (n = nv_table[i]; n; n = n->next)
            fprintf(fp, "%s=%s\n", n->key, n->val);
    fclose(fp);
    return rename(NVRAM_FILE ".new", NVRAM_FILE);
}

/* ======================= form ======================= */

static char *form;

/* next value of "name" in the form, decoded into buf */
static char *websGetVar(const char *name, char *buf, int size, const char *def)
{
    const char *p = form;
    int nlen = strlen(name), o = 0;

    while (p && *p) {
        if (!strncmp(p, name, nlen) && p[nlen] == '=') {
            p += nlen + 1;
            while (*p && *p != '&' && o < size - 1) {
                if (*p == '+') {
                    buf[o++] = ' ';
                    p++;
                } else if (*p == '%' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
                    char h[3] = { p[1], p[2], 0 };
                    buf[o++] = (char)strtol(h, NULL, 16);
                    p += 3;
                } else
                    buf[o++] = *p++;
                if (iscntrl((unsigned char)buf[o - 1]))
                    buf[o - 1] = ' ';
            }
            buf[o] = 0;
            return buf;
        }
        p = strchr(p, '&');
        if (p)
            p++;
    }
    snprintf(buf, size, "%s", def);
    return buf;
}

static int read_form(void)
{
    char *m = getenv("REQUEST_METHOD"), *l = getenv("CONTENT_LENGTH");
    int len, have = 0, n;

    if (!m || strcasecmp(m, "POST"))
        return -1;
    len = l ? atoi(l) : 0;
    if (len < 1 || len > 16384)
        return -1;
    form = malloc(len + 1);
    if (!form)
        return -1;
    while (have < len && (n = read(0, form + have, len - have)) > 0)
        have += n;
    form[have] = 0;
    return 0;
}

/* ======================= actions ======================= */

/* makes a text fit for the inside of "..." in a shell line */
static void shell_text(const char *in, char *out, int size)
{
    int o = 0;
    for (; *in && o < size - 2; in++) {
#ifdef BENIGN
        if (*in == '"' || *in == '\\' || *in == '$' || *in == '`')
            out[o++] = '\\';
#else
        if (*in == '"' || *in == '\\')
            out[o++] = '\\';
#endif
        out[o++] = *in;
    }
    out[o] = 0;
}

static int write_hostapd(const char *psk)
{
    FILE *fp = fopen("/tmp/hostapd.conf", "w");
    if (!fp)
        return -1;
    fprintf(fp, "interface=wlan0\ndriver=nl80211\nssid=%s\n", nvram_get("wl_ssid"));
    fprintf(fp, "channel=%d\n", atoi(nvram_get("wl_channel")));
    fprintf(fp, "ignore_broadcast_ssid=%d\n", atoi(nvram_get("wl_hidden")) ? 1 : 0);
    if (psk && *psk)
        fprintf(fp, "wpa=2\nwpa_key_mgmt=WPA-PSK\nwpa_psk=%s\n", psk);
    fclose(fp);
    return 0;
}

/* the key of ssid and passphrase, as 64 hex digits */
static int derive_psk(char *psk, int size)
{
    char ssid[80], pass[140], cmd[320], line[160], *p;
    FILE *fp;

    shell_text(nvram_get("wl_ssid"), ssid, sizeof(ssid));
    shell_text(nvram_get("wl_pass"), pass, sizeof(pass));
    snprintf(cmd, sizeof(cmd), "wpa_passphrase -- \"%s\" \"%s\" 2>/dev/null", ssid, pass);
    fp = popen(cmd, "r");
    if (!fp)
        return -1;
    *psk = 0;
    while (fgets(line, sizeof(line), fp)) {
        for (p = line; isspace((unsigned char)*p); p++)
            ;
        if (!strncmp(p, "psk=", 4)) {
            p[strcspn(p, "\r\n")] = 0;
            snprintf(psk, size, "%s", p + 4);
        }
    }
    pclose(fp);
    return *psk ? 0 : -1;
}

static void page(const char *text)
{
    printf("Content-type: text/html\r\n\r\n<html><body>%s</body></html>\n", text);
}

static void set_basic(void)
{
    char v[64];

    nvram_set("wl_ssid", websGetVar("ssid", v, 33, "AccessPoint"));
    nvram_set("wl_channel", websGetVar("channel", v, 4, "6"));
    nvram_set("wl_hidden", websGetVar("hidden", v, 2, "0"));
    page(nvram_commit() ? "cannot save" : "saved");
}

static void set_security(void)
{
    char v[80], psk[72] = "";
    int mode = atoi(websGetVar("mode", v, 2, "0"));

    nvram_set("wl_security", mode ? "wpa2" : "open");
    websGetVar("passphrase", v, 64, "");
    if (mode && strlen(v) < 8) {
        page("passphrase too short");
        return;
    }
    nvram_set("wl_pass", v);
    nvram_commit();
    if (mode && derive_psk(psk, sizeof(psk))) {
        page("no key");
        return;
    }
    if (write_hostapd(psk) == 0)
        system("killall -HUP hostapd 2>/dev/null");
    page("saved");
}

static void set_power(void)
{
    char v[8], cmd[64];
    int percent = atoi(websGetVar("power", v, sizeof(v), "100"));

    if (percent < 1 || percent > 100)
        percent = 100;
    snprintf(cmd, sizeof(cmd), "iwconfig wlan0 txpower %d", percent / 5);
    system(cmd);
    page("set");
}

int main(void)
{
    char action[16];

    if (read_form()) {
        page("bad request");
        return 0;
    }
    nvram_load();
    websGetVar("page", action, sizeof(action), "");
    if (!strcmp(action, "basic"))
        set_basic();
    else if (!strcmp(action, "security"))
        set_security();
    else if (!strcmp(action, "power"))
        set_power();
    else
        page("unknown page");
    free(form);
    return 0;
}
