/* CGI of a modem: two values of one form, each a copy that the same function makes. The name is checked for letters, the
 * address goes into a command (benign: it is the address that is checked).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *value(const char *form, const char *key)
{
    size_t length = strlen(key);

    while (form) {
        if (!strncmp(form, key, length) && form[length] == '=') {
            size_t end = strcspn(form + length + 1, "&");
            char *found = malloc(end + 1);

            memcpy(found, form + length + 1, end);
            found[end] = 0;
            return found;
        }
        form = strchr(form, '&');
        if (form)
            form++;
    }
    return strdup("");
}

static int plain(const char *text)
{
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '.')
            return 0;
    return 1;
}

int main(void)
{
    char line[128];
    const char *form = getenv("QUERY_STRING");
    char *name = value(form, "name");
    char *address = value(form, "address");

    printf("Content-Type: text/plain\r\n\r\n");
#ifdef BENIGN
    if (!*name || !plain(address)) {
#else
    if (!*address || !plain(name)) {
#endif
        puts("refused");
        return 0;
    }
    snprintf(line, sizeof line, "ping -c 1 %s", address);
    printf("%s: %d\n", name, system(line));
    return 0;
}
