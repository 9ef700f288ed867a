"""Tables of a key, a check and the value that it let in: what is asked for by a key has passed the check of that entry,
and what is copied into an entry may fill that and no more.
"""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

BUILDS = [("x86-64", "-O2"), ("x86-64", "-Os"), ("mips", "-Os"), ("armel", "-O2")]
SETTINGS = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <sys/socket.h>
static int number(const char *v) { size_t n = strlen(v); return n > 0 && n < 6 && strspn(v, "0123456789") == n; }
static int text(const char *v) { for (; *v; v++) if (!isprint((unsigned char)*v)) return 0; return 1; }
static int code(const char *v) {
    size_t n = strspn(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    return n >= 3 && n <= 8 && v[n] == '\0';
}
static struct setting { const char *key; int (*ok)(const char *); char value[64]; } settings[] = {
    { "minutes", number, "10" }, { "pause", number, "10" }, { "limit", number, "4" },
    { "name", text, "garden" }, { "station", CHECK, "EDDM" }, { "pin", code, "NONE" },
};
static struct setting *find(const char *key) {
    size_t i;
    for (i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (strcmp(settings[i].key, key) == 0) return &settings[i];
    return NULL;
}
static const char *get(const char *key) { struct setting *one = find(key); return one ? one->value : ""; }
static int set(const char *key, const char *value) {
    struct setting *one = find(key);
    if (!one || strlen(value) >= sizeof one->value || !one->ok(value)) return -1;
    strcpy(one->value, value);
    return 0;
}
static void save(void) {
    FILE *out = fopen("/etc/settings", "w");
    size_t i;
    if (!out) return;
    for (i = 0; i < sizeof settings / sizeof settings[0]; i++)
        fprintf(out, "%s=%s\n", settings[i].key, settings[i].value);
    fclose(out);
}
static int zone;
static void ask(void) {
    char command[200];
    snprintf(command, sizeof command, "wget -q 'http://weather.example/?st=%s'", get("station"));
    system(command);
    zone = atoi(get("minutes"));
}
int main(void) {
    char line[512], *value;
    int s = socket(AF_INET, SOCK_STREAM, 0), n;
    time_t last = 0;
    while ((n = recv(s, line, sizeof line - 1, 0)) > 0) {
        line[n] = 0;
        if ((value = strchr(line, '='))) {
            *value++ = 0;
            if (set(line, value) == 0) save();
        }
        if (time(NULL) != last) { last = time(NULL); ask(); }
    }
    return zone;
}
"""
BY_KEY = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
static struct kv { const char *key; char value[128]; } settings[] = {
    { "period", "600" }, { "host", "192.0.2.1" }, { "site", "main" }, { "lane", "1" }, { NULL, "" },
};
static const char *setting(const char *key) {
    struct kv *s;
    for (s = settings; s->key; s++) if (!strcmp(s->key, key)) return s->value;
    return "";
}
static void put(const char *key, const char *value) {
    struct kv *s;
    for (s = settings; s->key; s++)
        if (!strcmp(s->key, key)) snprintf(s->value, sizeof s->value, "%s", value);
}
static void upload(void) {
    char command[300];
    snprintf(command, sizeof command, "ftpput %s %s.csv /tmp/counts", setting("ASKED"), setting("site"));
    system(command);
}
int main(void) {
    char line[512];
    struct in_addr in;
    int s = socket(AF_INET, SOCK_STREAM, 0), n;
    while ((n = recv(s, line, sizeof line - 1, 0)) > 0) {
        line[n] = 0;
        if (!strncmp(line, "period=", 7)) put("period", line + 7);
        if (!strncmp(line, "lane=", 5)) put("lane", line + 5);
        if (!strncmp(line, "host=", 5)) {
            if (inet_pton(AF_INET, line + 5, &in) != 1) continue;
            put("host", line + 5);
        }
        upload();
    }
    return 0;
}
"""
OF_ONE_KEY = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
static struct { char key[24]; char value[80]; int changed; } settings[16] = {
    { "name", "strip", 0 }, { "location", "rack", 0 }, { "log.server.host", "192.0.2.1", 0 }, { "delay", "5", 0 },
};
static const char *get(const char *key) {
    int i;
    for (i = 0; i < 16 && settings[i].key[0]; i++) if (!strcmp(settings[i].key, key)) return settings[i].value;
    return NULL;
}
ATTRIBUTE static int set(const char *key, const char *value) {
    int i;
    for (i = 0; i < 16 && settings[i].key[0]; i++) {
        if (strcmp(settings[i].key, key)) continue;
        snprintf(settings[i].value, sizeof settings[i].value, "%s", value);
        settings[i].changed = 1;
        return 0;
    }
    return -1;
}
static int valid(const char *s) {
    unsigned char a[16];
    return inet_pton(AF_INET, s, a) == 1 || inet_pton(AF_INET6, s, a) == 1;
}
__attribute__((noinline)) static int put(char *key, char *value) {
    if (CHECK) return -2;
    return set(key, value);
}
int main(void) {
    char line[300], command[200], *value;
    int s = socket(AF_INET, SOCK_STREAM, 0), n;
    while ((n = recv(s, line, sizeof line - 1, 0)) > 0) {
        line[n] = 0;
        if (!(value = strchr(line, '='))) continue;
        *value++ = 0;
        if (put(line, value) == 0) {
            snprintf(command, sizeof command, "syslogd -R %s:514", get("log.server.host"));
            system(command);
        }
    }
    return 0;
}
"""
CHECKS = {
    '!strcmp(key, "log.server.host") && !valid(value)': False,
    '!strcmp(key, "log.server.host") ? !valid(value) : strlen(value) > 60': False,
    '(!strcmp(key, "log.server.host") && !valid(value)) || (!strcmp(key, "delay") && !atoi(value))': False,
    "!valid(value)": False,
    '!strcmp(key, "delay") && !valid(value)': True,
    '!strcmp(key, "log.server.host") && valid(value)': True,
    '!strncmp(key, "log.server.hosts", 16) && !valid(value)': True,
    '!strcmp(value, "log.server.host") && !valid(key)': True,
}
CARS = r"""
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
typedef struct { uint8_t here, count; char label[64][4]; time_t seen; unsigned trips; void (*alarm)(int, int); } car_t;
static car_t cars[8];
void __attribute__((noinline)) quiet(int car, int code) { cars[car].trips += code; }
static int floors(car_t *c, const uint8_t *p, unsigned len) {
    unsigned n;
    if (len < 1) return -1;
    n = p[0];
    if (n == 0 TEST || len < 1 + n * 4) return -1;
    memcpy(c->label, p + 1, n * 4);
    c->count = n;
    return 0;
}
int main(void) {
    uint8_t body[1100];
    int s = socket(AF_INET, SOCK_STREAM, 0), n, i;
    for (i = 0; i < 8; i++) cars[i].alarm = quiet;
    while ((n = recv(s, body, sizeof body, 0)) > 4) {
        unsigned len = body[2] << 8 | body[3];
        if (body[0] >= 8 || len > n - 4u) continue;
        cars[body[0]].here = 1;
        cars[body[0]].seen = time(NULL);
        if (floors(&cars[body[0]], body + 4, len)) cars[body[0]].alarm(body[0], 2);
    }
    return 0;
}
"""


def flows(tmp_path: Path, architecture: str, program: str, level: str) -> list[str]:
    found = analyse(built(tmp_path, architecture, program, level))
    assert found.outcome.name == "DONE", found.why
    return [one.kind for one in found.flows]


@pytest.mark.parametrize(("architecture", "level"), BUILDS)
@pytest.mark.parametrize(("check", "true"), [("code", False), ("number", False), ("text", True)])
def test_a_value_has_passed_the_check_of_its_entry(
    tmp_path: Path, check: str, true: bool, architecture: str, level: str
) -> None:
    assert flows(tmp_path, architecture, SETTINGS.replace("CHECK", check), level) == ["command"] * true


@pytest.mark.parametrize(("architecture", "level"), BUILDS)
@pytest.mark.parametrize(("test", "true"), [("|| n > 64", False), ("", True)])
def test_a_copy_may_fill_the_entry_that_an_index_chose(
    tmp_path: Path, test: str, true: bool, architecture: str, level: str
) -> None:
    assert flows(tmp_path, architecture, CARS.replace("TEST", test), level) == ["overflow"] * true


@pytest.mark.parametrize(("architecture", "level"), BUILDS)
@pytest.mark.parametrize(("asked", "true"), [("host", False), ("site", False), ("lane", True)])
def test_what_is_put_under_a_key_is_under_no_other(
    tmp_path: Path, asked: str, true: bool, architecture: str, level: str
) -> None:
    assert flows(tmp_path, architecture, BY_KEY.replace("ASKED", asked), level) == ["command"] * true


@pytest.mark.parametrize(("architecture", "level"), BUILDS)
@pytest.mark.parametrize("attribute", ["", "__attribute__((noinline))"])
@pytest.mark.parametrize("check", CHECKS)
def test_a_check_made_for_one_key_holds_for_its_entry(
    tmp_path: Path, check: str, attribute: str, architecture: str, level: str
) -> None:
    program = OF_ONE_KEY.replace("CHECK", check).replace("ATTRIBUTE", attribute)
    assert flows(tmp_path, architecture, program, level) == ["command"] * CHECKS[check]
