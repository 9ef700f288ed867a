"""The command as its user meets it: real processes, real exit statuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from customhouse.host import isolation

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample"
COMMAND = [sys.executable, "-m", "customhouse"]
FLAGS = ["--quiet", "--today", "2026-11-22", *([] if isolation.available() else ["--no-isolation"])]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    work = tmp_path / "tmp"
    work.mkdir()
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(work)}


def customhouse(environment: dict[str, str], *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_the_exit_status_tells_the_decision(environment: dict[str, str]) -> None:
    refused = customhouse(environment, "audit", *FLAGS, SAMPLE / "camera-1.0.img")
    admitted = customhouse(environment, "audit", *FLAGS, SAMPLE / "camera-2.0.img")
    assert (refused.returncode, admitted.returncode) == (20, 0)
    assert "REFUSE" in refused.stdout and "ADMIT" in admitted.stdout
    assert refused.stderr == ""


def test_of_several_images_the_gravest_decides(environment: dict[str, str]) -> None:
    both = customhouse(
        environment, "audit", *FLAGS, "--format", "json", SAMPLE / "camera-2.0.img", SAMPLE / "camera-1.0.img"
    )
    assert both.returncode == 20
    assert [d["verdict"]["decision"] for d in json.loads(both.stdout)] == ["admit", "refuse"]


def test_two_audits_of_one_image_are_the_same_bytes_but_for_time(environment: dict[str, str]) -> None:
    dossiers = []
    for extra in ([], [], ["--no-cache"]):
        ran = customhouse(environment, "audit", *FLAGS, *extra, "--format", "json", SAMPLE / "camera-1.0.img")
        dossier = json.loads(ran.stdout)
        dossiers.append({name: value for name, value in dossier.items() if name not in ("created", "timing")})
    assert dossiers[0] == dossiers[1] == dossiers[2]


def test_every_format_is_written_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    formats = ("json", "html", "sarif", "cyclonedx", "spdx", "openvex")
    wanted = [word for name in formats for word in ("-o", f"{name}:{tmp_path / name}")]
    ran = customhouse(environment, "audit", *FLAGS, *wanted, SAMPLE / "camera-1.0.img")
    assert ran.returncode == 20, ran.stderr
    assert all((tmp_path / name).stat().st_size > 500 for name in formats)


@pytest.mark.parametrize("kind", ["missing", "empty", "fifo", "zero", "unreadable-format"])
def test_what_cannot_be_audited_is_one_clear_line(kind: str, environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "thing"
    if kind == "empty":
        path.touch()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "zero":
        path = Path("/dev/zero")
    ran = customhouse(environment, "audit", *FLAGS, path)
    assert ran.returncode == 1
    assert ran.stdout == ""
    first = ran.stderr.splitlines()[0]
    assert first.startswith("error: ") and "fault of ours" not in first
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--format", "pdf"],
        ["-o", "html"],
        ["-o", "pdf:x"],
        ["--budget", "soon"],
        ["--today", "yesterday"],
        ["--jobs", "0"],
        ["--no-such-option"],
    ],
)
def test_wrong_usage_is_two(words: list[str], environment: dict[str, str]) -> None:
    assert customhouse(environment, "audit", *words, SAMPLE / "camera-1.0.img").returncode == 2


def test_two_reports_in_one_file_are_refused_before_any_work(environment: dict[str, str], tmp_path: Path) -> None:
    images = [SAMPLE / "camera-1.0.img", SAMPLE / "camera-2.0.img"]
    ran = customhouse(environment, "audit", *FLAGS, "-o", f"html:{tmp_path / 'r.html'}", *images)
    assert ran.returncode == 1
    assert "{image}" in ran.stderr
    ran = customhouse(environment, "audit", *FLAGS, "-o", f"html:{tmp_path}/{{image}}.html", *images)
    assert ran.returncode == 20
    assert (tmp_path / "camera-2.0.img.html").is_file()


def test_a_report_that_cannot_be_written_is_an_error(environment: dict[str, str], tmp_path: Path) -> None:
    ran = customhouse(environment, "audit", *FLAGS, "-o", f"json:{tmp_path}/none/r.json", SAMPLE / "camera-1.0.img")
    assert ran.returncode == 1
    assert "cannot be written" in ran.stderr


def test_a_policy_with_a_spelling_mistake_is_an_error_that_names_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('name = "mine"\nversion = 1\n[coverage]\nexplaned_at_least = 1.0\n')
    ran = customhouse(environment, "audit", *FLAGS, "--policy", policy, SAMPLE / "camera-1.0.img")
    assert ran.returncode == 1
    assert "explaned_at_least" in ran.stderr and str(policy) in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_audit_leaves_nothing_behind(
    number: signal.Signals, environment: dict[str, str], tmp_path: Path
) -> None:
    command = [*COMMAND, "audit", *FLAGS, str(SAMPLE / "camera-1.0.img")]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not any((tmp_path / "tmp").iterdir()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in messages and "Traceback" not in messages
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("moment", [0.05, 0.1, 0.2, 0.3, 0.4, 0.6])
def test_an_interrupt_at_the_start_is_no_traceback(moment: float, environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [*COMMAND, "schema"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as it:
        time.sleep(moment)
        it.send_signal(signal.SIGINT)
        messages = it.communicate(timeout=60)[1].decode()
    # Before our first line runs, the interpreter itself is interrupted: its own start-up is not ours to catch.
    assert "customhouse/cli" not in messages


@pytest.mark.parametrize(
    "where", ["customhouse.cli.main._write_what_the_terminal_can_show", "typer.core.TyperGroup.main"]
)
def test_an_interrupt_outside_of_any_command_ends_as_shells_expect(where: str, environment: dict[str, str]) -> None:
    program = (
        "import pkgutil, typer.core, typer.main, customhouse.cli.main, customhouse.__main__\n"
        f"owner, _, name = {where!r}.rpartition('.')\n"
        "def interrupted(*_, **__): raise KeyboardInterrupt\n"
        "setattr(pkgutil.resolve_name(owner), name, interrupted)\n"
        "customhouse.__main__.run()\n"
    )
    ran = subprocess.run([sys.executable, "-c", program, "schema"], env=environment, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (130, "error: interrupted\n")


def test_a_locale_without_our_letters_does_not_fail_the_report(environment: dict[str, str]) -> None:
    plain = {**environment, "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    refused = customhouse(plain, "audit", *FLAGS, SAMPLE / "camera-1.0.img")
    assert (refused.returncode, refused.stderr) == (20, "")
    assert "REFUSE" in refused.stdout


def test_an_image_whose_name_begins_with_a_dash_is_audited(environment: dict[str, str], tmp_path: Path) -> None:
    shutil.copy(SAMPLE / "camera-1.0.img", tmp_path / "-v 1.0.img")
    command = [*COMMAND, "audit", *FLAGS, "--", "-v 1.0.img"]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, timeout=240, check=False)
    assert ended.returncode == 20


def test_standard_input_is_no_image_and_the_error_says_what_to_do(environment: dict[str, str]) -> None:
    ended = customhouse(environment, "audit", *FLAGS, "-")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: an image cannot be read from standard input\nhint: ")


def test_a_full_disk_under_standard_output_is_one_clear_line(environment: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*COMMAND, "schema"], env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, "error: No space left on device\n")


def test_a_reader_that_goes_away_sees_no_traceback(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [*COMMAND, "schema"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == ""


def test_version_and_schema(environment: dict[str, str]) -> None:
    assert customhouse(environment, "--version").stdout.startswith("customhouse ")
    assert json.loads(customhouse(environment, "schema").stdout)["$defs"]["Dossier"]
