"""Checks that look their letters up in a constant text, one by one, by themselves."""

from pathlib import Path

import pytest
from tests.firmware.program.test_checkforms import kinds

BAD = r'static const char bad[] = ";|&`$\n<>"; '
OK = 'static const char ok[] = "abcdefghijklmnopqrstuvwxyz0123456789_-."; '
HARMLESS = [
    BAD + "for (const char *b = bad; *b; b++) if (strchr(s, *b)) return 0; return 1;",
    BAD + "for (unsigned i = 0; i < sizeof bad - 1; i++) if (strchr(s, bad[i])) return 0; return 1;",
    BAD + "for (int i = 0; s[i]; i++) for (int j = 0; bad[j]; j++) if (s[i] == bad[j]) return 0; return 1;",
    OK + "for (; *s; s++) { const char *b; for (b = ok; *b; b++) if (*s == *b) break; if (!*b) return 0; } return 1;",
    r'static const char *const bad[] = { ";", "|", "&", "`", "$", "\n", 0 };'
    "for (int i = 0; bad[i]; i++) if (strstr(s, bad[i])) return 0; return 1;",
]
HARMFUL = [
    BAD.replace("$", "") + "for (const char *b = bad; *b; b++) if (strchr(s, *b)) return 0; return 1;",
    BAD + "for (const char *b = bad + 3; *b; b++) if (strchr(s, *b)) return 0; return 1;",
    BAD + "for (int i = 0; i < 4; i++) if (strchr(s, bad[i])) return 0; return 1;",
    BAD + "for (const char *b = bad; *b; b += 2) if (strchr(s, *b)) return 0; return 1;",
    BAD.replace("$", "") + "for (; *s; s++) for (const char *b = bad; *b; b++) if (*s == *b) return 0; return 1;",
    OK.replace("-.", ";") + "for (; *s; s++) { const char *b; for (b = ok; *b; b++) if (*s == *b) break;"
    "if (!*b) return 0; } return 1;",
    OK + "for (; *s; s++) for (const char *b = ok; *b; b++) if (*s == *b) return 1; return 0;",
    r'static const char *const bad[] = { ";", "|", "&", "`", "$(", "\n", 0 };'
    "for (int i = 0; bad[i]; i++) if (strstr(s, bad[i])) return 0; return 1;",
    'static const char form[] = "dd:dd"; int i; for (i = 0; form[i]; i++)'
    "if (form[i] == 'd' ? !isdigit((unsigned char)s[i]) : s[i] != form[i]) return 0; return 1;",
]
BUILDS = [("x86-64", "-O2"), ("mips", "-Os"), ("armhf", "-Os")]


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("body", HARMLESS)
def test_letters_that_a_loop_looks_for_are_not_there(tmp_path: Path, build: tuple[str, str], body: str) -> None:
    assert not kinds(tmp_path, build, "", body)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("body", HARMFUL)
def test_letters_that_it_leaves_out_may_be(tmp_path: Path, build: tuple[str, str], body: str) -> None:
    assert set(kinds(tmp_path, build, "", body)) == {"command"}
