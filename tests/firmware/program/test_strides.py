"""Walks over a text that look at every byte of it, and walks that leave some out."""

from pathlib import Path

import pytest
from tests.firmware.program.test_checkforms import kinds

HARMLESS = [
    "while (*s) { if (*s == '%') { if (!isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2])) return 0;"
    "s += 3; } else if (isalnum((unsigned char)*s)) s++; else return 0; } return 1;",
    "int i, n = strlen(s); for (i = n - 1; i >= 0; i--) if (!isalnum((unsigned char)s[i])) return 0; return n > 0;",
    "const char *p = s + strlen(s); while (p > s) if (!isalnum((unsigned char)*--p)) return 0; return 1;",
    "int c; while ((c = (unsigned char)*s++) != 0) { if (!isalnum(c) && c != '-' && c != '.') return 0; } return 1;",
    "int l = 0; for (; *s; s++) { if (*s == '.') { if (!l) return 0; l = 0; continue; }"
    "if (!isalnum((unsigned char)*s)) return 0; l++; } return 1;",
]
HARMFUL = [
    "while (*s) { if (*s == '%') { if (!s[1] || !isxdigit((unsigned char)s[2])) return 0;"
    "s += 3; } else if (isalnum((unsigned char)*s)) s++; else return 0; } return 1;",
    "size_t i, n = strlen(s); for (i = 0; i < n; i += 2) if (!isalnum((unsigned char)s[i])) return 0; return 1;",
    "size_t i, n = strlen(s); for (i = 0; i < n / 2; i++) if (!isalnum((unsigned char)s[i])) return 0; return 1;",
    "int i, n = strlen(s); for (i = n - 1; i > 0; i--) if (!isalnum((unsigned char)s[i])) return 0; return n > 0;",
    "const char *p = s + strlen(s); while (p > s + 4) if (!isalnum((unsigned char)*--p)) return 0; return 1;",
    "const char *p; for (p = s + 1; *p; p++) if (!isalnum((unsigned char)*p)) return 0; return *s != 0;",
    "int l = 0; for (; *s; s++) { if (*s == '.') { l = 0; continue; }"
    "if (l == 0 && !isalnum((unsigned char)*s)) return 0; l++; } return 1;",
    "while (*s) { if (!isalnum((unsigned char)*s)) return 0; while (*s && *s != '.') s++; if (*s) s++; } return 1;",
    "while (*s) { const char *e = strchr(s, '.'); if (!isalnum((unsigned char)*s)) return 0; if (!e) break;"
    "s = e + 1; } return 1;",
]
BUILDS = [("x86-64", "-Os"), ("arm64", "-Os"), ("mips", "-Os"), ("armhf", "-O2")]


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("body", HARMLESS)
def test_a_walk_that_looks_at_every_byte_is_a_check(tmp_path: Path, build: tuple[str, str], body: str) -> None:
    assert not kinds(tmp_path, build, "", body)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("body", HARMFUL)
def test_a_walk_that_leaves_bytes_out_is_none(tmp_path: Path, build: tuple[str, str], body: str) -> None:
    assert kinds(tmp_path, build, "", body) == ["command"]
