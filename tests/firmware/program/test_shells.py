"""What started programs and command lines run: their standard input, scripts, or neither."""

import pytest

from customhouse.firmware.program.library.shells import INPUT, NOTHING, run_by, scripts, takes_commands


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["/bin/sh"], INPUT),
        (["sh", "-x", "-o", "errexit"], INPUT),
        (["ash", "-s", "first"], INPUT),
        (["busybox", "sh"], INPUT),
        (["env", "-i", "PATH=/bin", "/bin/bash", "--norc"], INPUT),
        (["sh", "-c", "id"], NOTHING),
        (["bash", "-ec", "id"], NOTHING),
        (["sh", "/etc/rc.local", "start"], "/etc/rc.local"),
        (["/tmp/job"], "/tmp/job"),
        (["/usr/sbin/sendmail", "-t"], "/usr/sbin/sendmail"),
        (["fish.sh"], NOTHING),
        ([], NOTHING),
    ],
)
def test_a_shell_without_command_and_script_runs_its_input(words: list[str], runs: str) -> None:
    assert run_by(words) == runs


@pytest.mark.parametrize("command", ["sh", "exec /bin/sh -s >/dev/null 2>&1", "cd /tmp && nice -n 5 ash", "X=1 sh"])
def test_a_command_line_may_be_a_shell_that_runs_what_it_reads(command: str) -> None:
    assert takes_commands(command)


@pytest.mark.parametrize(
    "command", ["cat", "sh -c 'cat >/tmp/x'", "sh /etc/rc.mail", "sh </dev/null", "gzip | sh", "tee sh", ""]
)
def test_others_only_read_it(command: str) -> None:
    assert not takes_commands(command)


@pytest.mark.parametrize(
    ("command", "paths"),
    [
        ("sh /tmp/x.sh >/dev/null 2>&1 &", {"/tmp/x.sh"}),
        ("chmod +x /tmp/x.sh; /tmp/x.sh -v", {"/tmp/x.sh"}),
        (". /etc/wan.conf; pppd user $NAME", {"/etc/wan.conf"}),
        ("/bin/sh -x < /tmp/lines", {"/tmp/lines"}),
        ("cat /tmp/x.sh > /dev/ttyS0", set()),
        ("sh %s", set()),
    ],
)
def test_scripts_are_what_a_command_line_runs(command: str, paths: set[str]) -> None:
    assert scripts(command) == paths
