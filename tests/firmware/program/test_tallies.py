"""Checks that look at every byte and keep in a flag or a counter whether they liked them all."""

from pathlib import Path

import pytest
from tests.firmware.program.test_checkforms import INLINED, kinds

HARMLESS = [
    "int bad = 0; for (; *s; s++) bad |= !(isalnum((unsigned char)*s) || *s == '.'); return !bad;",
    "int bad = 0; for (; *s; s++) if (!isalnum((unsigned char)*s)) bad++; return bad == 0;",
    "int bad = 0; for (; *s; s++) if (!isalnum((unsigned char)*s) && *s != '.') bad = 1; return !bad;",
    "int ok = 1; for (; *s; s++) if (!isalnum((unsigned char)*s) && *s != '.') ok = 0; return ok;",
    "int ok = 1; for (; *s; s++) ok &= isalnum((unsigned char)*s) != 0; return ok;",
    "int ok = *s != 0; while (ok && *s) { ok = isalnum((unsigned char)*s) != 0; s++; } return ok;",
]
COUNTED = (
    "size_t good = 0, i; for (i = 0; s[i]; i++) if (isalnum((unsigned char)s[i])) good++; return good == strlen(s);"
)
HARMFUL = [
    "int bad = 0; for (; *s; s++) bad |= !(isalnum((unsigned char)*s) || *s == '.' || *s == '$'); return !bad;",
    "int bad = 0; for (; *s; s++) if (!isalnum((unsigned char)*s)) bad++; return bad <= 1;",
    "int bad = 0; for (; *s; s++) if (!isalnum((unsigned char)*s)) bad++; return bad != 1;",
    "int bad = 0; for (; *s; s++) { if (*s == '.') bad = 0; else bad |= !isalnum((unsigned char)*s); } return !bad;",
    "int bad = 0; for (; *s && *s != ' '; s++) if (!isalnum((unsigned char)*s)) bad = 1; return !bad;",
    "int ok = 1; for (; *s; s++) ok = isalnum((unsigned char)*s); return ok;",
    "int ok = 0; for (; *s; s++) ok |= isalnum((unsigned char)*s) != 0; return ok;",
    "int ok = 1; while (ok && *s) { ok = isalnum((unsigned char)*s) != 0; s++; } return !ok;",
    "size_t good = 0, i; for (i = 0; s[i]; i++) if (isalnum((unsigned char)s[i])) good++; return good > 0;",
    "size_t good = 0, i; for (i = 0; s[i]; i++) if (isalnum((unsigned char)s[i])) good++; return good != strlen(s);",
]
BUILDS = [("x86-64", "-O2"), ("mips", "-O2"), ("armhf", "-O2")]


@pytest.mark.parametrize("inlined", INLINED)
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("body", [*HARMLESS, COUNTED])
def test_a_tally_that_says_that_nothing_was_amiss_is_a_check(
    tmp_path: Path, build: tuple[str, str], inlined: str, body: str
) -> None:
    assert not kinds(tmp_path, build, inlined, body)


@pytest.mark.parametrize("inlined", INLINED)
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("body", HARMFUL)
def test_a_tally_that_forgets_is_none(tmp_path: Path, build: tuple[str, str], inlined: str, body: str) -> None:
    assert kinds(tmp_path, build, inlined, body) == ["command"]
