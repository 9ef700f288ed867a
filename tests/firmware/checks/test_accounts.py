"""Each question about accounts, with a device that gives a reason and one that does not."""

import msgspec
import pytest
from tests.firmware.conftest import MadeDevice

from customhouse.firmware.checks.accounts import (
    ClearTextUsers,
    EmptyPassword,
    HashInProgram,
    KnownPassword,
    RemoteWithoutPassword,
    SecondRoot,
    WeakHash,
)
from customhouse.model import Account, Confidence, DeviceFacts, Evidence, ImagePath, Service, Severity

PASSWD = Evidence(path=ImagePath("/etc/passwd"), offset=0, excerpt="root::0:0")
TELNET = Service(
    kind="telnet",
    program="/usr/sbin/telnetd",
    at_boot=True,
    network_facing=True,
    started_by=("/etc/inittab", "/etc/init.d/rcS"),
)
SSH = Service(kind="ssh", program="/usr/sbin/dropbear", at_boot=True, network_facing=True)
ROOT = Account(user="root", uid=0, shell="/bin/sh", hash_kind="none", empty=True, evidence=(PASSWD,))


def _device(made: MadeDevice, *accounts: Account, services: tuple[Service, ...] = ()) -> DeviceFacts:
    return msgspec.structs.replace(made.facts(), accounts=accounts, services=services)


def _with(account: Account, **changes: object) -> Account:
    return msgspec.structs.replace(account, **changes)


def test_telnet_and_an_empty_root_password_are_remote_root(device: MadeDevice) -> None:
    root = _with(ROOT, remote=True, via=(TELNET.program,))
    [finding] = RemoteWithoutPassword().findings(_device(device, root, services=(TELNET,)))
    assert (finding.severity, finding.confidence, finding.tags) == (
        Severity.CRITICAL,
        Confidence.HIGH,
        ("remote-root",),
    )
    assert finding.title == "Anyone on the network becomes root: no password is asked"
    assert "/etc/inittab → /etc/init.d/rcS" in finding.detail
    assert finding.evidence == (PASSWD,)


def test_a_shell_for_everyone_is_remote_root_whatever_the_password(device: MadeDevice) -> None:
    shell = msgspec.structs.replace(TELNET, arguments=("-l", "/bin/sh"), authentication="none")
    root = _with(ROOT, empty=False, hash_kind="md5", password="12345", remote=True, via=(TELNET.program,))
    [finding] = RemoteWithoutPassword().findings(_device(device, root, services=(shell,)))
    assert finding.tags == ("remote-root",)
    [known] = KnownPassword().findings(_device(device, root, services=(shell,)))
    assert known.tags == ()  # nobody asks for it


def test_another_user_without_password_is_no_remote_root(device: MadeDevice) -> None:
    guest = _with(ROOT, user="guest", uid=500, remote=True, via=(TELNET.program,))
    [finding] = RemoteWithoutPassword().findings(_device(device, guest, services=(TELNET,)))
    assert (finding.severity, finding.tags) == (Severity.HIGH, ())


def test_what_only_the_distribution_is_known_for_is_no_proof(device: MadeDevice) -> None:
    root = _with(ROOT, remote=True, via=(SSH.program,))
    [finding] = RemoteWithoutPassword().findings(_device(device, root, services=(SSH,)))
    assert (finding.severity, finding.confidence, finding.tags) == (Severity.HIGH, Confidence.MEDIUM, ())
    told = msgspec.structs.replace(SSH, arguments=("-B",))
    [proven] = RemoteWithoutPassword().findings(_device(device, root, services=(told,)))
    assert proven.tags == ("remote-root",)


def test_a_login_that_nothing_starts_lets_nobody_in(device: MadeDevice) -> None:
    assert not list(RemoteWithoutPassword().findings(_device(device, ROOT)))
    assert not list(RemoteWithoutPassword().findings(_device(device, _with(ROOT, empty=False, hash_kind="locked"))))


def test_an_empty_password_without_a_door_opens_the_console(device: MadeDevice) -> None:
    [finding] = EmptyPassword().findings(_device(device, ROOT))
    assert finding.severity is Severity.MEDIUM
    [beside] = EmptyPassword().findings(_device(device, ROOT, services=(SSH,)))
    assert beside.severity is Severity.HIGH
    assert not list(EmptyPassword().findings(_device(device, _with(ROOT, empty=False, hash_kind="sha512"))))


def test_a_known_password_on_a_reachable_login_is_universal(device: MadeDevice) -> None:
    root = _with(ROOT, empty=False, hash_kind="md5", password="xc3511", remote=True, via=(TELNET.program,))
    assert not list(RemoteWithoutPassword().findings(_device(device, root, services=(TELNET,))))
    [finding] = KnownPassword().findings(_device(device, root, services=(TELNET,)))
    assert (finding.severity, finding.tags) == (Severity.CRITICAL, ("universal-password",))
    assert "'xc3511'" in finding.title


def test_a_known_password_that_no_login_takes_is_not_universal(device: MadeDevice) -> None:
    root = _with(ROOT, empty=False, hash_kind="md5", password="sohoadmin")
    [finding] = KnownPassword().findings(_device(device, root))
    assert (finding.severity, finding.tags) == (Severity.MEDIUM, ())
    assert not list(KnownPassword().findings(_device(device, _with(root, password=None))))


def test_a_second_account_with_user_id_zero_is_found(device: MadeDevice) -> None:
    root = _with(ROOT, empty=False, hash_kind="locked")
    other = _with(ROOT, user="support", empty=False, hash_kind="md5")
    [finding] = SecondRoot().findings(_device(device, root, other))
    assert (finding.severity, finding.subject) == (Severity.HIGH, "support")
    assert not list(SecondRoot().findings(_device(device, root, _with(other, hash_kind="locked"))))
    assert not list(SecondRoot().findings(_device(device, root, _with(other, uid=500))))


def test_a_renamed_root_is_only_noted(device: MadeDevice) -> None:
    [finding] = SecondRoot().findings(_device(device, _with(ROOT, user="admin", empty=False, hash_kind="sha512")))
    assert finding.severity is Severity.LOW


@pytest.mark.parametrize(("kind", "weak"), [("md5", True), ("des", True), ("sha512", False), ("yescrypt", False)])
def test_weak_hashes_are_one_finding(device: MadeDevice, kind: str, weak: bool) -> None:
    accounts = [_with(ROOT, user=name, empty=False, hash_kind=kind) for name in ("root", "admin", "guest")]
    assert len(list(WeakHash().findings(_device(device, *accounts)))) == int(weak)


def test_a_hash_in_a_program_is_found_and_one_in_shadow_is_not(device: MadeDevice) -> None:
    program = Evidence(path=ImagePath("/usr/bin/login_helper"))
    shadow = Evidence(path=ImagePath("/etc/shadow"))
    account = _with(ROOT, user="", empty=False, hash_kind="md5")
    [finding] = HashInProgram().findings(_device(device, _with(account, evidence=(program,))))
    assert finding.subject == "/usr/bin/login_helper"
    assert not list(HashInProgram().findings(_device(device, _with(account, evidence=(shadow,)))))


def test_configured_users_are_one_finding(device: MadeDevice) -> None:
    device.file("/etc/web.conf", "http_user=admin\nhttp_passwd=admin888\n")
    device.file("/etc/rtsp.conf", "rtsp_username=live\nrtsp_password=live12\n")
    [finding] = ClearTextUsers().findings(device.facts())
    assert "admin / admin888" in finding.title
    assert "live / live12" in finding.title
    assert finding.tags == ()


def test_configuration_without_users_gives_none(device: MadeDevice) -> None:
    device.file("/etc/web.conf", "http_user=admin\nhttp_passwd=\n")
    assert not list(ClearTextUsers().findings(device.facts()))


def test_a_known_password_that_telnet_does_not_ask_for_is_not_said_to_open_it(device: MadeDevice) -> None:
    free = msgspec.structs.replace(TELNET, authentication="none")
    root = _with(ROOT, hash_kind="des", password="hiklinux", empty=False, remote=True, via=(TELNET.program,))
    [finding] = KnownPassword().findings(_device(device, root, services=(free,)))
    assert (finding.severity, finding.tags) == (Severity.MEDIUM, ())
    assert "does not even ask for it" in finding.detail


def test_a_second_root_without_a_password_is_said_to_need_none(device: MadeDevice) -> None:
    second = _with(ROOT, user="admin")
    [finding] = SecondRoot().findings(_device(device, ROOT, second))
    assert "needs no password" in finding.detail


def test_of_several_roots_without_one_of_that_name_the_first_is_the_renamed_one(device: MadeDevice) -> None:
    users = [_with(ROOT, user=user, hash_kind="des", empty=False) for user in ("admin", "support")]
    first, second = SecondRoot().findings(_device(device, *users))
    assert (first.severity, second.severity) == (Severity.LOW, Severity.HIGH)
    assert (first.title, second.title[:22]) == ("The root account is named admin", "support is a second ro")
