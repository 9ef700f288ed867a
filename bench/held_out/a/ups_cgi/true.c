/*
 * CGI behind the form of an uninterruptible power supply: the form is posted, values in hex so that any byte survives.
 * One button sends a test mail to the address in the form.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BODY_LIMIT 4096
#define UPS_STATE "/var/run/ups.state"

typedef struct form {
    char *body;
    size_t size;
    char action[24];
    char recipient[128];
    char subject[80];
    int low_battery;
    int shutdown_delay;
    const char *error;
} form;

typedef int (*button)(form *);

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes pairs of hex digits up to the end of the value; -1 when one is wrong or the room is not enough. */
static int unhex(const char *from, size_t n, char *to, size_t room)
{
    size_t i;
    if (n % 2 || n / 2 >= room)
        return -1;
    for (i = 0; i < n / 2; i++) {
        int high = nibble(from[2 * i]), low = nibble(from[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        to[i] = (char)(high * 16 + low);
    }
    to[i] = 0;
    return 0;
}

static const char *value_of(const form *f, const char *name, size_t *n)
{
    const char *s = f->body, *end = f->body + f->size;
    size_t length = strlen(name);
    while (s < end) {
        const char *stop = memchr(s, '&', (size_t)(end - s));
        if (!stop)
            stop = end;
        if ((size_t)(stop - s) > length && memcmp(s, name, length) == 0 && s[length] == '=') {
            *n = (size_t)(stop - s) - length - 1;
            return s + length + 1;
        }
        s = stop + 1;
    }
    return NULL;
}

static int text_field(form *f, const char *name, char *to, size_t room)
{
    size_t n;
    const char *v = value_of(f, name, &n);
    *to = 0;
    if (v && unhex(v, n, to, room) < 0) {
        f->error = "a field is damaged";
        return -1;
    }
    return 0;
}

static int number_field(form *f, const char *name, int low, int high, int *to)
{
    char text[16];
    long v;
    if (text_field(f, name, text, sizeof text) < 0)
        return -1;
    if (!*text)
        return 0;
    v = strtol(text, NULL, 10);
    if (v < low || v > high) {
        f->error = "a number is out of range";
        return -1;
    }
    *to = (int)v;
    return 0;
}

static int receive(form *f)
{
    const char *length = getenv("CONTENT_LENGTH"), *method = getenv("REQUEST_METHOD");
    size_t want, got = 0;
    ssize_t n;
    if (method && strcmp(method, "POST") != 0)
        goto wrong;
    want = length ? strtoul(length, NULL, 10) : 0;
    if (want == 0 || want > BODY_LIMIT)
        goto wrong;
    f->body = malloc(want + 1);
    if (!f->body)
        goto wrong;
    while (got < want) {
        n = read(STDIN_FILENO, f->body + got, want - got);
        if (n <= 0)
            goto release;
        got += (size_t)n;
    }
    f->body[got] = 0;
    f->size = got;
    return 0;
release:
    free(f->body);
    f->body = NULL;
wrong:
    f->error = "not a form";
    return -1;
}

static void one_line_only(char *s)
{
    for (; *s; s++)
        if (iscntrl((unsigned char)*s))
            *s = ' ';
}

static int battery(void)
{
    int percent = -1;
    FILE *f = fopen(UPS_STATE, "r");
    if (f) {
        if (fscanf(f, "charge=%d", &percent) != 1)
            percent = -1;
        fclose(f);
    }
    return percent;
}

/* The mailer with its options; the letter is written into it. */
static FILE *mailer(const char *recipient)
{
#ifdef BENIGN
    (void)recipient;
    return popen("/usr/sbin/sendmail -t -f ups@localhost", "w");
#else
    char line[200];
    snprintf(line, sizeof line, "/usr/sbin/sendmail -f ups@localhost %s", recipient);
    return popen(line, "w");
#endif
}

static int press_mail(form *f)
{
    time_t now = time(NULL);
    FILE *m;
    int rc = -1;
    if (text_field(f, "rcpt", f->recipient, sizeof f->recipient) < 0)
        goto out;
    if (text_field(f, "subj", f->subject, sizeof f->subject) < 0)
        goto out;
    one_line_only(f->recipient);
    one_line_only(f->subject);
    if (!strchr(f->recipient, '@')) {
        f->error = "no mail address";
        goto out;
    }
    m = mailer(f->recipient);
    if (!m) {
        f->error = "no mailer";
        goto out;
    }
    fprintf(m, "To: %s\nSubject: %s\n\nThis is a test. Battery at %d %%, %s\n", f->recipient, f->subject, battery(),
            ctime(&now));
    rc = pclose(m);
    if (rc)
        f->error = "the mailer failed";
out:
    return rc;
}

static int press_limits(form *f)
{
    FILE *out = NULL;
    int rc = -1;
    if (number_field(f, "low", 5, 95, &f->low_battery) < 0 || number_field(f, "delay", 0, 3600, &f->shutdown_delay) < 0)
        goto done;
    out = fopen("/etc/ups.limits", "w");
    if (!out) {
        f->error = "cannot save";
        goto done;
    }
    fprintf(out, "low=%d\ndelay=%d\n", f->low_battery, f->shutdown_delay);
    rc = 0;
done:
    if (out)
        fclose(out);
    if (rc == 0)
        system("killall -HUP upsd");
    return rc;
}

static int press_test(form *f)
{
    char line[64];
    int seconds = 10;
    if (number_field(f, "seconds", 1, 120, &seconds) < 0)
        return -1;
    snprintf(line, sizeof line, "upscmd battery-test %d", seconds);
    if (system(line) != 0) {
        f->error = "the test did not start";
        return -1;
    }
    return 0;
}

static int press_beeper(form *f)
{
    char text[8];
    if (text_field(f, "on", text, sizeof text) < 0)
        return -1;
    return system(strcmp(text, "yes") == 0 ? "upscmd beeper.on" : "upscmd beeper.off");
}

static button find_button(const char *name)
{
    if (strcmp(name, "mail") == 0)
        return press_mail;
    if (strcmp(name, "limits") == 0)
        return press_limits;
    if (strcmp(name, "test") == 0)
        return press_test;
    if (strcmp(name, "beeper") == 0)
        return press_beeper;
    return NULL;
}

static void page(const form *f, int rc)
{
    printf("Content-Type: application/json\r\n\r\n");
    printf("{\"ok\":%s,\"battery\":%d", rc == 0 ? "true" : "false", battery());
    if (f->error)
        printf(",\"error\":\"%s\"", f->error);
    printf("}\n");
}

int main(void)
{
    form f;
    button pressed;
    int rc = -1;
    memset(&f, 0, sizeof f);
    f.low_battery = 20;
    f.shutdown_delay = 60;
    if (receive(&f) < 0)
        goto out;
    if (text_field(&f, "action", f.action, sizeof f.action) < 0)
        goto out;
    pressed = find_button(f.action);
    if (!pressed) {
        f.error = "no such button";
        goto out;
    }
    rc = pressed(&f);
out:
    page(&f, rc);
    free(f.body);
    return 0;
}
