/* CGI of a gate: name and reason come from one form, each a copy of its own that is decoded where it lies. Both go into
 * one line. The name is limited, the reason is not (benign: both are).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *value(const char *form, const char *key)
{
    size_t length = strlen(key);
    char *found, *to;
    const char *end;

    while (form && *form) {
        end = form + strcspn(form, "&");
        if (!strncmp(form, key, length) && form[length] == '=') {
            found = malloc((size_t)(end - form) + 1);
            if (!found)
                exit(1);
            memcpy(found, form, (size_t)(end - form));
            found[end - form] = 0;
            for (to = found; *to; to++)
                if (*to == '+')
                    *to = ' ';
            return found;
        }
        form = *end ? end + 1 : NULL;
    }
    return calloc(1, 1);
}

static void note(const char *line)
{
    FILE *log = fopen("/tmp/gate.log", "a");

    if (log) {
        fputs(line, log);
        fclose(log);
    }
}

int main(void)
{
    char line[160];
    const char *form = getenv("QUERY_STRING");
    char *name = value(form, "name");
    char *reason = value(form, "reason");

    printf("Content-Type: text/plain\r\n\r\n");
#ifdef BENIGN
    if (strlen(name) > 40 || strlen(reason) > 90) {
#else
    if (strlen(name) > 40 || strchr(reason, '<')) {
#endif
        puts("refused");
        return 0;
    }
    strcpy(line, name);
    strcat(line, " asks: ");
    strcat(line, reason);
    strcat(line, "\n");
    note(line);
    puts("noted");
    return 0;
}
