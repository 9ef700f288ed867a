/* libdevutil: what a vendor shares between its daemons. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int verbose = 1;

void dev_set_verbose(int on)
{
    verbose = on;
}

void dev_log(const char *format, ...)
{
    va_list ap;
    if (!verbose)
        return;
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
}

char *dev_trim(char *s)
{
    size_t n;
    while (*s == ' ')
        s++;
    n = strlen(s);
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\n'))
        s[--n] = 0;
    return s;
}

int dev_do_system(const char *format, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    dev_log("[%ld] %s\n", (long)time(NULL), line);
    return system(line);
}
