/* scaled.c -- network postal scale, counter model
 *
 * The counter PC sends text orders; the label template follows an LBL order as
 * raw bytes.  One client at a time (there is one counter).                 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <signal.h>
#include <setjmp.h>
#include <netinet/in.h>
#include <sys/types.h>
#include <sys/socket.h>

#define SCALE_PORT 4305
#define TPL_MAX    1024
#define OK         0
#define ERR_SYNTAX 1
#define ERR_RANGE  2
#define ERR_LINK   3

static const char *errtext[] = { "OK", "E01 SYNTAX", "E02 RANGE", "E03 LINK" };

static long  g_raw;             /* counts from the ADC        */
static long  g_zero;            /* counts at no load          */
static long  g_tare;
static int   g_zone = 1;
static char  g_clerk[16] = "0000";
static unsigned char g_template[TPL_MAX];
static int   g_template_len;
static char  g_printer[24] = "/dev/usb/lp0";

static const struct { int up_to; int price[3]; } g_rates[] = {
    { 20,   { 85, 110, 170 } },
    { 50,   { 100, 150, 260 } },
    { 500,  { 160, 320, 640 } },
    { 1000, { 275, 560, 1100 } },
    { 2000, { 399, 990, 1900 } },
};

static void poll_adc(void)
{
    FILE *f = fopen("/sys/bus/iio/devices/iio:device0/in_voltage0_raw", "r");
    if (f == NULL)
        return;
    if (fscanf(f, "%ld", &g_raw) != 1)
        g_raw = g_zero;
    fclose(f);
}

static int grams(void)
{
    long g = (g_raw - g_zero) / 37 - g_tare;
    return g < 0 ? 0 : (int)g;
}

static int postage(int g)
{
    unsigned i;
    for (i = 0; i < sizeof(g_rates) / sizeof(g_rates[0]); i++)
        if (g <= g_rates[i].up_to)
            return g_rates[i].price[g_zone];
    return -1;
}

static int ord_weight(FILE *io, char *arg)
{
    poll_adc();
    fprintf(io, "W %d\r\n", grams());
    return OK;
}

static int ord_zero(FILE *io, char *arg)
{
    poll_adc();
    g_zero = g_raw;
    return OK;
}

static int ord_tare(FILE *io, char *arg)
{
    long t = strtol(arg, NULL, 10);
    if (t < 0 || t > 2000)
        return ERR_RANGE;
    g_tare = t;
    return OK;
}

static int ord_zone(FILE *io, char *arg)
{
    int z = atoi(arg);
    if (z < 0 || z > 2)
        return ERR_RANGE;
    g_zone = z;
    return OK;
}

static int ord_clerk(FILE *io, char *arg)
{
    if (strlen(arg) >= sizeof(g_clerk))
        return ERR_RANGE;
    strcpy(g_clerk, arg);
    return OK;
}

static int ord_price(FILE *io, char *arg)
{
    int p;
    poll_adc();
    p = postage(grams());
    if (p < 0)
        return ERR_RANGE;
    fprintf(io, "P %d.%02d %s\r\n", p / 100, p % 100, g_clerk);
    return OK;
}

/* LBL <bytes>: load the label template */
static int ord_label(FILE *io, char *arg)
{
    int n = atoi(arg);

    if (n <= 0 || n > TPL_MAX)
        return ERR_SYNTAX;
    g_template_len = 0;
    if (fread(g_template, 1, n, io) != (size_t)n)
        return ERR_LINK;
    g_template_len = n;
    return OK;
}

static int ord_print(FILE *io, char *arg)
{
    FILE *lp;
    int i, copies = *arg ? atoi(arg) : 1;

    if (copies < 1 || copies > 5)
        return ERR_RANGE;
    if (g_template_len == 0)
        return ERR_SYNTAX;
    lp = fopen(g_printer, "w");
    if (lp == NULL)
        return ERR_LINK;
    while (copies-- > 0)
        for (i = 0; i < g_template_len; i++) {
            if (g_template[i] == 0x01)          /* weight field */
                fprintf(lp, "%d g", grams());
            else if (g_template[i] == 0x02)     /* price field  */
                fprintf(lp, "%d", postage(grams()));
            else
                fputc(g_template[i], lp);
        }
    fclose(lp);
    return OK;
}

struct order {
    char  name[6];
    int (*exec)(FILE *, char *);
};

static struct order orders[] = {
    { "WGT", ord_weight },
    { "ZER", ord_zero   },
    { "TAR", ord_tare   },
    { "ZON", ord_zone   },
    { "CLK", ord_clerk  },
    { "PRC", ord_price  },
    { "LBL", ord_label  },
    { "PRN", ord_print  },
    { "",    NULL       }
};

static sigjmp_buf idle;

static void on_idle(int sig)
{
    siglongjmp(idle, 1);
}

static void counter(int fd)
{
    char line[80], *arg;
    struct order *o;
    int rc;
    FILE *in = fdopen(fd, "r");
    FILE *out = fdopen(dup(fd), "w");

    if (in == NULL || out == NULL)
        return;
    if (sigsetjmp(idle, 1)) {
        fclose(in);
        fclose(out);
        return;
    }
    for (;;) {
        alarm(120);
        if (fgets(line, sizeof(line), in) == NULL)
            break;
        line[strcspn(line, "\r\n")] = '\0';
        arg = line + strcspn(line, " ");
        if (*arg)
            *arg++ = '\0';
        rc = ERR_SYNTAX;
        for (o = orders; o->exec; o++)
            if (strcmp(o->name, line) == 0) {
                rc = o->exec(o->exec == ord_label ? in : out, arg);
                break;
            }
        fprintf(out, "%s\r\n", errtext[rc]);
        fflush(out);
    }
    alarm(0);
    fclose(in);
    fclose(out);
}

int main(void)
{
    struct sockaddr_in me;
    int l, c, on = 1;

    signal(SIGALRM, on_idle);
    signal(SIGPIPE, SIG_IGN);
    poll_adc();
    g_zero = g_raw;
    l = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&me, 0, sizeof(me));
    me.sin_family = AF_INET;
    me.sin_port = htons(SCALE_PORT);
    me.sin_addr.s_addr = INADDR_ANY;
    if (bind(l, (struct sockaddr *)&me, sizeof(me)) < 0 || listen(l, 1) < 0) {
        perror("scaled");
        return 1;
    }
    for (;;) {
        c = accept(l, NULL, NULL);
        if (c >= 0)
            counter(c);
    }
}
