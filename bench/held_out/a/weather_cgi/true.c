/*
 * CGI of a weather station: pages with the present values, the history of a station and a chart, chosen by the query.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FIELDS 12
#define DATA "/var/lib/weather"

struct field {
    char *name;
    char *value;
};

static struct field fields[FIELDS];
static int field_count;
static char store[1024];
static const char *unit = "C";
static int metric = 1;

static int hex(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void percent(char *s)
{
    char *to = s;
    while (*s) {
        if (*s == '+') {
            *to++ = ' ';
            s++;
        } else if (*s == '%' && hex((unsigned char)s[1]) >= 0 && hex((unsigned char)s[2]) >= 0) {
            *to++ = (char)(hex((unsigned char)s[1]) << 4 | hex((unsigned char)s[2]));
            s += 3;
        } else
            *to++ = *s++;
    }
    *to = 0;
}

static void split(char *query)
{
    char *piece;
    while (field_count < FIELDS && (piece = strsep(&query, "&;"))) {
        char *equals = strchr(piece, '=');
        if (!equals)
            continue;
        *equals = 0;
        percent(piece);
        percent(equals + 1);
        fields[field_count].name = piece;
        fields[field_count].value = equals + 1;
        field_count++;
    }
}

static const char *param(const char *name, const char *otherwise)
{
    for (int i = 0; i < field_count; i++)
        if (!strcmp(fields[i].name, name))
            return fields[i].value;
    return otherwise;
}

static void escaped(const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '<':
            fputs("&lt;", stdout);
            break;
        case '>':
            fputs("&gt;", stdout);
            break;
        case '&':
            fputs("&amp;", stdout);
            break;
        case '"':
            fputs("&quot;", stdout);
            break;
        default:
            putchar(*s);
        }
}

static void header(const char *title)
{
    printf("Content-Type: text/html\r\nCache-Control: no-store\r\n\r\n");
    printf("<html><head><title>%s</title></head><body><h1>%s</h1>\n", title, title);
}

static void footer(void)
{
    time_t now = time(NULL);
    printf("<hr><small>%s</small></body></html>\n", ctime(&now));
}

static void fail(const char *why)
{
    printf("Status: 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n%s\n", why);
}

static double degrees(double celsius)
{
    return metric ? celsius : celsius * 9 / 5 + 32;
}

static void page_now(void)
{
    double celsius, humidity, pressure;
    FILE *f = fopen(DATA "/now", "r");
    if (!f || fscanf(f, "%lf %lf %lf", &celsius, &humidity, &pressure) != 3) {
        if (f)
            fclose(f);
        fail("no reading");
        return;
    }
    fclose(f);
    header("Now");
    printf("<p>%.1f %s, %.0f %%, %.1f hPa</p>\n", degrees(celsius), unit, humidity, pressure);
    printf("<p>Hello, ");
    escaped(param("user", "guest"));
    printf("</p>\n");
    footer();
}

/* A station's name is what its files are called by. */
static int station_name(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > 64)
        return 0;
#ifdef BENIGN
    while (*s)
        if (!isalnum((unsigned char)*s++))
            return 0;
    return 1;
#else
    return strstr(s, "..") == NULL && strchr(s, '/') == NULL;
#endif
}

static FILE *open_history(const char *station, int hours)
{
    char line[192];
    if (!station_name(station))
        return NULL;
    snprintf(line, sizeof line, "rrdtool fetch " DATA "/%s.rrd AVERAGE -s -%dh", station, hours);
    return popen(line, "r");
}

static int rows(FILE *f, double *low, double *high)
{
    char line[160];
    int n = 0;
    while (fgets(line, sizeof line, f)) {
        long stamp;
        double value;
        if (sscanf(line, "%ld: %lf", &stamp, &value) != 2)
            continue;
        if (n == 0 || value < *low)
            *low = value;
        if (n == 0 || value > *high)
            *high = value;
        printf("<tr><td>%ld</td><td>%.1f</td></tr>\n", stamp, degrees(value));
        n++;
    }
    return n;
}

static void page_history(void)
{
    int hours = atoi(param("hours", "24"));
    double low = 0, high = 0;
    FILE *f;
    if (hours < 1 || hours > 24 * 31) {
        fail("hours");
        return;
    }
    if (!(f = open_history(param("station", "roof"), hours))) {
        fail("station");
        return;
    }
    header("History");
    printf("<table>\n");
    int n = rows(f, &low, &high);
    pclose(f);
    printf("</table><p>%d values, %.1f to %.1f %s</p>\n", n, degrees(low), degrees(high), unit);
    footer();
}

static void page_chart(void)
{
    char line[200];
    struct stat info;
    int width = atoi(param("width", "400")), days = atoi(param("days", "1"));
    snprintf(line, sizeof line,
             "rrdtool graph " DATA "/chart.png -w %d -s -%dd DEF:t=" DATA "/roof.rrd:t:AVERAGE LINE1:t#ff0000 >/dev/null",
             width, days);
    if (system(line) != 0 || stat(DATA "/chart.png", &info) < 0) {
        fail("chart");
        return;
    }
    header("Chart");
    printf("<img src=\"/chart.png?%ld\" width=\"%d\">\n", (long)info.st_mtime, width);
    footer();
}

static void page_sync(void)
{
    if (strcmp(param("confirm", ""), "yes") != 0) {
        fail("confirm");
        return;
    }
    header("Clock");
    printf("<p>%s</p>\n", system("ntpd -n -q -p pool.ntp.org") == 0 ? "set" : "not set");
    footer();
}

static const struct {
    const char *name;
    void (*show)(void);
} pages[] = {
    {"now", page_now},
    {"history", page_history},
    {"chart", page_chart},
    {"sync", page_sync},
};

int main(void)
{
    const char *query = getenv("QUERY_STRING"), *page;
    if (query)
        snprintf(store, sizeof store, "%s", query);
    split(store);
    if (*param("unit", "C") == 'F') {
        metric = 0;
        unit = "F";
    }
    page = param("page", "now");
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (!strcmp(pages[i].name, page)) {
            pages[i].show();
            return 0;
        }
    fail("page");
    return 0;
}
