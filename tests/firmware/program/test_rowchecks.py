"""Tables that say of each entry who checks a value, and where it is kept: what another entry lets in stays there."""

from pathlib import Path

import pytest
from tests.firmware.program.compiled import built

from customhouse.firmware.program.analysis import analyse

HEAD = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <sys/socket.h>
static int number(const char *v) { size_t n = strspn(v, "0123456789"); return n > 0 && n < 6 && v[n] == 0; }
static int text(const char *v) { return strlen(v) <= 40; }
"""
MAIN = r"""
int main(void) {
    char line[512], command[200], *value;
    int s = socket(2, 1, 0), n;
    while ((n = recv(s, line, 511, 0)) > 0) {
        line[n] = 0;
        if ((value = strchr(line, '='))) {
            *value++ = 0;
            set(line, value);
        }
        snprintf(command, sizeof command, "tar -xzf /data/%s.tgz", VOICE);
        system(command);
        fprintf(stderr, "now %s\n", ALIAS);
    }
    return 0;
}
"""
STORE = r"""
typedef struct entry { struct entry *next; char *key, *value; } entry_t;
static entry_t *entries[16];
static unsigned hash(const char *s) {
    unsigned h = 5381;
    while (*s) h = h * 33 + (unsigned char)*s++;
    return h % 16;
}
static entry_t *find(const char *key) {
    entry_t *e;
    for (e = entries[hash(key)]; e; e = e->next) if (!strcmp(e->key, key)) return e;
    return NULL;
}
static int put(const char *key, const char *value) {
    entry_t *e = find(key);
    char *copy = strdup(value);
    if (!copy) return -1;
    if (!e) {
        unsigned h = hash(key);
        e = calloc(1, sizeof *e);
        if (!e || !(e->key = strdup(key))) { free(e); free(copy); return -1; }
        e->next = entries[h];
        entries[h] = e;
    }
    free(e->value);
    e->value = copy;
    return 1;
}
static const char *get(const char *key) {
    entry_t *e = find(key);
    return e && e->value ? e->value : "";
}
static const struct { const char *key, *first; int (*valid)(const char *); } rows[] = {
    { "beep.level", "2", number }, { "epg.days", "7", number }, { "voice.lang", "de", VALID },
    { "door.alias", "door", text }, { "audio.volume", "40", number },
};
static int set(const char *key, const char *value) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].key, key)) continue;
        if (!rows[i].valid(value)) return -1;
        return put(KEY, value);
    }
    return -1;
}
"""
FOUND = """
struct row { const char *key; int (*valid)(const char *); int flags; };
static const struct row rows[] = {
    { "beep.level", number }, { "epg.days", number }, { "voice.lang", VALID }, { "door.alias", text },
    { "audio.volume", number },
};
__attribute__((noinline)) static const struct row *row_of(const char *key) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) if (!strcmp(rows[i].key, key)) return &rows[i];
    return NULL;
}
static int set(const char *key, const char *value) {
    const struct row *r = row_of(key);
    if (!r) return -1;
    if (!r->valid(value)) return -2;
    return put(r->key, value);
}
"""
IN_PLACE = r"""
static char beep[16], lang[48], name[48];
static const struct { const char *key; int (*valid)(const char *); char *place; int size; } rows[] = {
    { "beep.level", number, beep, 16 }, { "voice.lang", VALID, lang, 48 }, { "door.alias", text, name, 48 }, { 0 },
};
static int set(const char *key, const char *value) {
    for (int i = 0; rows[i].key; i++)
        if (!strcmp(rows[i].key, key)) {
            if (!rows[i].valid || !rows[i].valid(value)) return -1;
            return snprintf(rows[i].place, rows[i].size, "%s", value);
        }
    return -1;
}
"""
OFFSETS = r"""
static struct { int x; char beep[16], lang[48], name[48]; } c;
#define AT(field) offsetof(__typeof__(c), field), sizeof c.field
struct row { const char *key; int (*valid)(const char *); size_t offset, size; };
static const struct row rows[] = {
    { "beep.level", number, AT(beep) }, { "voice.lang", VALID, AT(lang) }, { "door.alias", text, AT(name) },
};
__attribute__((noinline)) static const struct row *row_of(const char *key) {
    for (int i = 0; i < 3; i++) if (!strcmp(rows[i].key, key)) return &rows[i];
    return NULL;
}
static int set(const char *key, const char *value) {
    const struct row *r = row_of(key);
    if (!r || !r->valid(value)) return -1;
    return snprintf((char *)&c + r->offset, r->size, "%s", value);
}
"""
IN_ROW = r"""
#include <strings.h>
typedef struct { const char *key; int (*valid)(const char *); int least; char value[48]; } row_t;
static row_t rows[] = {
    { "beep.level", number, 1, "2" }, { "epg.days", number, 2, "7" }, { "voice.lang", VALID, 0, "de" },
    { "door.alias", text, 0, "door" }, { "audio.volume", number, 1, "40" },
};
static row_t *row_of(const char *key) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) if (!strcasecmp(rows[i].key, key)) return &rows[i];
    return NULL;
}
static int set(const char *key, const char *value) {
    row_t *r = row_of(key);
    if (!r) return -1;
    if (strlen(value) >= sizeof r->value || !r->valid(value)) return -2;
    strcpy(r->value, value);
    return 0;
}
static const char *get(const char *key) { row_t *r = row_of(key); return r ? r->value : ""; }
"""
FORMS = {
    "in the row": (IN_ROW, 'get("voice.lang")', 'get("door.alias")'),
    "list": (STORE.replace("KEY", "key"), 'get("voice.lang")', 'get("door.alias")'),
    "list by the row's key": (STORE.replace("KEY", "rows[i].key"), 'get("voice.lang")', 'get("door.alias")'),
    "list by a row that was found": (
        STORE[: STORE.index("static const struct { const char *key, *first")] + FOUND,
        'get("voice.lang")',
        'get("door.alias")',
    ),
    "in place": (IN_PLACE, "lang", "name"),
    "by an offset": (OFFSETS, "c.lang", "c.name"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("architecture", "level"), [("x86-64", "-O2"), ("mips", "-Os")])
def test_what_one_entry_lets_in_is_not_in_another(tmp_path: Path, form: str, architecture: str, level: str) -> None:
    rows, voice, alias = FORMS[form]
    for valid, flows in (("number", 0), ("text", 1)):
        source = HEAD + rows.replace("VALID", valid) + MAIN.replace("VOICE", voice).replace("ALIAS", alias)
        assert len(analyse(built(tmp_path, architecture, source, level)).flows) == flows, valid


EXCHANGED = """
static void loose(const char *v) { (void)v; rows[2].valid = text; }
static void strict(const char *v) { (void)v; rows[2].valid = number; }
static void (*const modes[])(const char *) = { MODES };
static int change(const char *key, const char *value) {
    if (key[0] == '!') { modes[key[1] & 1](value); return 0; }
    return set(key, value);
}
"""


@pytest.mark.parametrize(("architecture", "level"), [("x86-64", "-O2"), ("mips", "-Os")])
def test_a_check_that_is_exchanged_lets_in_what_the_other_does(tmp_path: Path, architecture: str, level: str) -> None:
    _, voice, alias = FORMS["in the row"]
    body = MAIN.replace("VOICE", voice).replace("ALIAS", alias).replace("set(line", "change(line")
    for modes, flows in (("strict, strict", 0), ("strict, loose", 1)):
        rows = IN_ROW.replace("VALID", "number") + EXCHANGED.replace("MODES", modes)
        assert len(analyse(built(tmp_path, architecture, HEAD + rows + body, level)).flows) >= flows, modes


COPIED = r"""
static char beep[16], days[16], lang[48], name[48];
static const struct { TYPE key; char *place; int size; } rows[] = {
    { BEEP, beep, 16 }, { DAYS, days, 16 }, { VOICE, lang, 48 }, { ALIAS, name, 48 }, { 0 },
};
__attribute__((noinline)) static int put(TYPE key, const char *value) {
    for (int i = 0; rows[i].key; i++)
        if (SAME(rows[i].key, key)) {
            strncpy(rows[i].place, value, rows[i].size - 1);
            rows[i].place[rows[i].size - 1] = 0;
            return 0;
        }
    return -1;
}
__attribute__((noinline)) static int get(TYPE key, char *out, size_t length) {
    for (int i = 0; rows[i].key; i++)
        if (SAME(rows[i].key, key)) return snprintf(out, length, "%s", rows[i].place);
    return -1;
}
static char voice[48], alias[48];
static void set(const char *key, const char *value) {
    if (!strcmp(key, "v") && VALID(value)) put(VOICE, value);
    if (!strcmp(key, "a") && text(value)) put(ALIAS, value);
    get(VOICE, voice, sizeof voice);
    get(ALIAS, alias, sizeof alias);
}
"""
NUMBERS = "#define TYPE int\n#define SAME(a, b) (a == b)\nenum { BEEP = 1, DAYS, VOICE, ALIAS };\n"
WORDS = """#define TYPE const char *
#define SAME(a, b) (!strcmp(a, b))
#define BEEP "beep"
#define DAYS "days"
#define VOICE "voice"
#define ALIAS "alias"
"""


@pytest.mark.parametrize("keys", [NUMBERS, WORDS])
@pytest.mark.parametrize(("architecture", "level"), [("x86-64", "-O2"), ("mips", "-Os")])
def test_who_asks_by_a_key_gets_what_was_put_under_it(tmp_path: Path, keys: str, architecture: str, level: str) -> None:
    body = MAIN.replace("VOICE", "voice").replace("ALIAS", "alias")
    for valid, flows in (("number", 0), ("text", 1)):
        source = HEAD + keys + COPIED.replace("VALID", valid) + body
        assert len(analyse(built(tmp_path, architecture, source, level)).flows) == flows, valid


LONG = IN_PLACE.replace(
    '\n    { "beep.level"',
    "".join(f'\n    {{ "led.{one}", number, beep, 16 }},' for one in range(8)) + '\n    { "beep.level"',
)


@pytest.mark.parametrize(("architecture", "level"), [("x86-64", "-O2"), ("mips", "-Os")])
def test_a_table_may_be_longer(tmp_path: Path, architecture: str, level: str) -> None:
    body = MAIN.replace("VOICE", "lang").replace("ALIAS", "name")
    for valid, flows in (("number", 0), ("text", 1)):
        source = HEAD + LONG.replace("VALID", valid) + body
        assert len(analyse(built(tmp_path, architecture, source, level)).flows) == flows, valid


DEFAULTS = r"""
static void defaults(void) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) put(rows[i].key, rows[i].first);
}
"""


def test_first_values_of_all_entries_are_put_under_their_keys(tmp_path: Path) -> None:
    rows, voice, alias = FORMS["list"]
    body = MAIN.replace("VOICE", voice).replace("ALIAS", alias).replace("    while", "    defaults();\n    while")
    for valid, flows in (("number", 0), ("text", 1)):
        program = built(tmp_path, "x86-64", HEAD + rows.replace("VALID", valid) + DEFAULTS + body, "-Os")
        assert len(analyse(program).flows) == flows, valid


TRUTH = r"""
__attribute__((noinline)) static int valid(const char *v) {
    size_t n = strspn(v, "0123456789");
    return n > 0 && n < 6 && v[n] OPERATOR 0;
}
static char kept[64];
static void set(const char *key, const char *value) { if (!strcmp(key, "x") && valid(value)) strncpy(kept, value, 63); }
"""


@pytest.mark.parametrize(("architecture", "level"), [("x86-64", "-O2"), ("mips", "-Os"), ("armel", "-O2")])
def test_a_comparison_that_is_returned_on_one_of_several_ways_tells(
    tmp_path: Path, architecture: str, level: str
) -> None:
    body = MAIN.replace("VOICE", "kept").replace("ALIAS", "kept")
    for operator, flows in (("==", 0), ("!=", 1)):
        program = built(tmp_path, architecture, HEAD + TRUTH.replace("OPERATOR", operator) + body, level)
        assert len(analyse(program).flows) == flows, operator
