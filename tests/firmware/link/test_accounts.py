"""Who can log in, and over what."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.conftest import MadeDevice

from customhouse.model import Account

INITTAB = "::sysinit:/etc/init.d/rcS\n"


def _hash(word: str) -> str:
    from passlib.hash import md5_crypt  # type: ignore[import-untyped]

    return str(md5_crypt.using(salt="abcdefgh").hash(word))


def _telnet(device: MadeDevice, arguments: str = "") -> None:
    device.file("/bin/busybox", b"\x7fELF\0", executable=True)
    for path in ("/sbin/init", "/usr/sbin/telnetd", "/bin/sh", "/bin/login"):
        device.link(path, "/bin/busybox")
    device.file("/etc/inittab", INITTAB)
    device.file("/etc/init.d/rcS", f"#!/bin/sh\ntelnetd {arguments} &\n")


def _dropbear(device: MadeDevice, arguments: str = "") -> None:
    _telnet(device)
    device.elf("/usr/sbin/dropbear")
    device.file("/etc/init.d/rcS", f"#!/bin/sh\n/usr/sbin/dropbear {arguments}\n")


def _named(device: MadeDevice, user: str = "root") -> Account:
    return next(account for account in device.facts().accounts if account.user == user)


def test_an_empty_password_with_telnet_at_boot_is_remote(device: MadeDevice) -> None:
    _telnet(device)
    device.file("/etc/passwd", "root::0:0:root:/root:/bin/sh\nnobody:*:99:99::/:/bin/false\n")
    root, nobody = _named(device), _named(device, "nobody")
    assert (root.empty, root.remote, root.via, root.hash_kind) == (True, True, ("/usr/sbin/telnetd",), "none")
    assert (nobody.empty, nobody.remote, nobody.hash_kind) == (False, False, "locked")


def test_telnet_that_listens_on_the_loopback_only_is_not_remote(device: MadeDevice) -> None:
    _telnet(device, "-b 127.0.0.1")
    device.file("/etc/passwd", "root::0:0:root:/root:/bin/sh\n")
    assert not _named(device).remote


def test_without_a_login_service_nothing_is_remote(device: MadeDevice) -> None:
    device.file("/etc/passwd", "root::0:0:root:/root:/bin/sh\n")
    root = _named(device)
    assert (root.empty, root.remote, root.via) == (True, False, ())


def test_shadow_holds_the_hash_where_passwd_has_an_x(device: MadeDevice) -> None:
    _telnet(device)
    device.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    device.file("/etc/shadow", f"root:{_hash('12345')}:10933:0:99999:7:::\n")
    root = _named(device)
    assert (root.password, root.hash_kind, root.remote, root.uid) == ("12345", "md5", True, 0)
    assert [place.path for place in root.evidence] == ["/etc/shadow", "/etc/passwd"]


def test_a_shadow_without_passwd_is_read_too(device: MadeDevice) -> None:
    device.file("/etc/shadow", f"root:{_hash('sohoadmin')}:15502:0:99999:7:::\n")
    root = _named(device)
    assert (root.password, root.uid) == ("sohoadmin", 0)


def test_the_hash_of_nothing_is_an_empty_password(device: MadeDevice) -> None:
    device.file("/etc/passwd", f"root:{_hash('')}:0:0:root:/root:/bin/sh\n")
    root = _named(device)
    assert (root.empty, root.password) == (True, None)


def test_a_password_that_stands_in_a_program_of_the_image_is_recovered(device: MadeDevice) -> None:
    device.file("/usr/bin/camerad", b"\x7fELF\x01\x01\x01" + bytes(60) + b"\0OwnWord42\0more\0", executable=True)
    device.file("/etc/passwd", f"root:{_hash('OwnWord42')}:0:0:root:/root:/bin/sh\n")
    assert _named(device).password == "OwnWord42"


def test_a_password_that_nobody_knows_is_not_invented(device: MadeDevice) -> None:
    device.file("/etc/passwd", f"root:{_hash('qX4$unknowable')}:0:0:root:/root:/bin/sh\n")
    root = _named(device)
    assert (root.password, root.empty, root.hash_kind) == (None, False, "md5")


def test_dropbear_refuses_empty_passwords_unless_told_otherwise(device: MadeDevice) -> None:
    device.file("/etc/passwd", "root::0:0:root:/root:/bin/sh\n")
    _dropbear(device)
    assert not _named(device).remote
    _dropbear(device, "-B")
    assert _named(device).remote


@pytest.mark.parametrize("arguments", ["-s", "-w", "-g"])
def test_dropbear_may_refuse_roots_password(device: MadeDevice, arguments: str) -> None:
    device.file("/etc/passwd", f"root:{_hash('12345')}:0:0:root:/root:/bin/sh\n")
    _dropbear(device)
    assert _named(device).remote
    _dropbear(device, arguments)
    assert not _named(device).remote


def test_openwrts_dropbear_takes_roots_empty_password_since_lede(device: MadeDevice) -> None:
    device.file("/etc/passwd", "root::0:0:root:/root:/bin/ash\nguest::500:500::/:/bin/ash\n")
    _dropbear(device)
    device.file("/etc/openwrt_release", "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='12.09'\n")
    assert not _named(device).remote
    device.file("/etc/openwrt_release", "DISTRIB_ID='LEDE'\nDISTRIB_RELEASE='17.01.4'\n")
    assert _named(device).remote
    assert not _named(device, "guest").remote


def test_openssh_asks_its_configuration(device: MadeDevice) -> None:
    _telnet(device)
    device.elf("/usr/sbin/sshd")
    device.file("/etc/init.d/rcS", "#!/bin/sh\n/usr/sbin/sshd\n")
    device.file("/etc/passwd", f"root:{_hash('12345')}:0:0:root:/root:/bin/sh\n")
    device.file("/etc/ssh/sshd_config", "# PermitRootLogin yes\n")
    assert not _named(device).remote
    device.file("/etc/ssh/sshd_config", "PermitRootLogin yes\n")
    assert _named(device).remote


def test_an_account_without_a_shell_logs_in_nowhere(device: MadeDevice) -> None:
    _telnet(device)
    device.file("/etc/passwd", "ftp::55:55:ftp:/home/ftp:/bin/false\n")
    assert not _named(device, "ftp").remote


def test_securetty_keeps_root_off_the_network(device: MadeDevice) -> None:
    _telnet(device)
    device.file("/etc/passwd", "root::0:0:root:/root:/bin/sh\n")
    device.file("/etc/securetty", "console\nttyS0\n")
    assert not _named(device).remote
    device.file("/etc/securetty", "console\npts/0\n")
    assert _named(device).remote


def test_a_hash_that_a_script_writes_to_passwd_is_an_account(device: MadeDevice) -> None:
    device.file("/etc/init.d/rcS", f"#!/bin/sh\necho 'root:{_hash('888888')}:0:0::/root:/bin/sh' > /etc/passwd\n")
    root = _named(device)
    assert (root.password, root.evidence[0].path) == ("888888", "/etc/init.d/rcS")


def test_accounts_elsewhere_count_when_etc_has_none(device: MadeDevice) -> None:
    _telnet(device)
    device.file("/etc_ro/passwd", "admin::0:0:root:/:/bin/sh\n")
    assert _named(device, "admin").remote
    device.file("/etc/passwd", f"root:{_hash('x-unknowable-y')}:0:0:root:/root:/bin/sh\n")
    assert not _named(device, "admin").remote


@pytest.mark.parametrize(
    "line",
    [
        "echo root:cam4711 | chpasswd",
        'echo "root:cam4711" | /usr/sbin/chpasswd',
        "(echo cam4711; echo cam4711) | passwd root",
    ],
)
def test_a_password_that_a_script_sets_is_known(device: MadeDevice, line: str) -> None:
    _telnet(device)
    device.file("/etc/passwd", "root:*:0:0:root:/root:/bin/sh\n")
    device.file("/etc/init.d/rcS", f"#!/bin/sh\n{line}\ntelnetd &\n")
    found = [account for account in device.facts().accounts if account.password]
    assert [(a.user, a.password, a.hash_kind, a.remote) for a in found] == [("root", "cam4711", "clear-text", True)]


def test_a_script_that_sets_a_variable_password_tells_none(device: MadeDevice) -> None:
    device.file("/etc/init.d/rcS", '#!/bin/sh\necho "root:$PASS" | chpasswd\n')
    assert device.facts().accounts == ()


def test_an_account_on_telnetds_command_line_is_the_only_one_it_knows(device: MadeDevice) -> None:
    _telnet(device, "-l /usr/sbin/login -u Alphanetworks:wrgn49 -i br0")
    device.elf("/usr/sbin/login")
    device.file("/etc/passwd", "root::0:0:root:/root:/bin/sh\n")
    named = {a.user: a for a in device.facts().accounts}
    assert (named["Alphanetworks"].password, named["Alphanetworks"].remote) == ("wrgn49", True)
    assert not named["root"].remote


def test_a_folder_that_is_copied_over_etc_holds_live_accounts(device: MadeDevice) -> None:
    _telnet(device)
    device.file("/etc/passwd", "nobody:*:99:99::/:/bin/false\n")
    device.file("/etc_ro/passwd", "admin::0:0:root:/:/bin/sh\n")
    assert not _named(device, "admin").remote
    device.file("/etc/init.d/rcS", "#!/bin/sh\ncp -rf /etc_ro/* /etc/\ntelnetd &\n")
    assert _named(device, "admin").remote


def test_a_backup_of_passwd_is_not_what_the_system_reads(device: MadeDevice) -> None:
    _telnet(device)
    device.file("/etc/passwd", f"root:{_hash('xc3511')}:0:0:root:/:/bin/sh\n")
    device.file("/etc/passwd-", f"root:{_hash('xmhdipc')}:0:0:root:/:/bin/sh\n")
    told = {account.password: account.remote for account in device.facts().accounts}
    assert told == {"xc3511": True, "xmhdipc": False}


def test_a_file_that_a_script_copies_to_passwd_is_what_the_system_reads(device: MadeDevice) -> None:
    _telnet(device)
    device.file("/etc/init.d/rcS", "#!/bin/sh\ncp -p /etc/passwd.bak /var/passwd\ntelnetd\n")
    device.file("/etc/passwd.bak", f"admin:{_hash('1234')}:0:0:root:/:/bin/sh\n")
    device.link("/etc/passwd", "/var/passwd")
    admin = _named(device, "admin")
    assert (admin.password, admin.remote) == ("1234", True)
    assert not [gap for gap in device.facts().not_examined if "accounts" in gap.what]


@pytest.mark.parametrize(
    ("script", "live"),
    [
        ("cp -rf /app/etc/passwd /etc/\n", {"hslwificam"}),
        ("[ -f /etc/passwd ] || cp /app/etc/passwd /etc/passwd\n", {""}),
        ("if [ ! -f /etc/passwd ]; then\n cp /app/etc/passwd /etc/passwd\nfi\n", {""}),
        ("if [ -f /app/etc/passwd ]; then\n cp /app/etc/passwd /etc/passwd\nfi\n", {"", "hslwificam"}),
    ],
)
def test_a_passwd_that_is_copied_over_the_other_is_the_one(device: MadeDevice, script: str, live: set[str]) -> None:
    _telnet(device)
    device.file("/etc/init.d/rcS", f"#!/bin/sh\n{script}telnetd\n")
    device.file("/etc/passwd", "root::0:0:root:/:/bin/sh\n")
    device.file("/app/etc/passwd", f"root:{_hash('hslwificam')}:0:0:root:/:/bin/sh\n")
    assert {account.password or "" for account in device.facts().accounts if account.remote} == live


def test_a_shell_that_asks_nobody_is_roots_and_not_every_accounts_with_its_rights(device: MadeDevice) -> None:
    _telnet(device, "-l /bin/sh")
    device.file("/etc/passwd", f"root:*:0:0::/:/bin/sh\nsupport:{_hash('1234')}:0:0::/:/bin/sh\n")
    assert {account.user: account.remote for account in device.facts().accounts} == {"root": True, "support": False}
    device.file("/etc/passwd", f"admin:{_hash('1234')}:0:0::/:/bin/sh\nsupport:*:0:0::/:/bin/sh\n")
    assert {account.user: account.remote for account in device.facts().accounts} == {"admin": True, "support": False}


def test_shadow_counts_for_nothing_where_passwd_has_the_hash(device: MadeDevice) -> None:
    _telnet(device)
    device.file("/etc/passwd", "root::0:0:root:/:/bin/sh\n")
    device.file("/etc/shadow", f"root:{_hash('secret99')}:1:0:::::\n")
    accounts = device.facts().accounts
    assert [(account.user, account.empty, account.remote) for account in accounts] == [("root", True, True)]


def test_accounts_that_the_running_device_makes_are_said_to_be_unknown(device: MadeDevice) -> None:
    _telnet(device)
    device.link("/etc/passwd", "/tmp/etc/passwd")
    [gap] = [gap for gap in device.facts().not_examined if "accounts" in gap.what]
    assert "/tmp/etc/passwd, which the running device makes" in gap.why


def test_test_hashes_of_a_c_library_are_no_accounts(device: MadeDevice) -> None:
    device.file("/lib/libc.so", b"\x7fELF" + bytes(60) + b"\0$1$abcd0123$9Qcg8DyviekV3tDGMZynJ1\0", executable=True)
    assert device.facts().accounts == ()


def test_users_of_a_vendors_configuration_are_listed(device: MadeDevice) -> None:
    device.file("/etc/web.conf", "# web\nhttp_user=admin\nhttp_passwd=admin888\n")
    device.file("/etc/users.xml", "<users>\n <username>viewer</username>\n <password>view1</password>\n</users>\n")
    device.file("/etc/default.cfg", '<sysUserName value="op"/>\n<sysPassword value="op99"/>\n')
    device.file("/etc/cfg.xml", '<User1 Username="tech" Userlevel="1" Userpassword="tech77"/>\n')
    device.file("/etc/config/x", "config login\n\toption username 'boss'\n\toption password 'boss1'\n")
    found = {(a.user, a.password, a.hash_kind) for a in device.facts().accounts}
    assert found == {
        (user, word, "clear-text")
        for user, word in (
            ("op", "op99"),
            ("tech", "tech77"),
            ("admin", "admin888"),
            ("viewer", "view1"),
            ("boss", "boss1"),
        )
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/x.conf", "user=admin\npassword=$PASS\n"),
        ("/etc/x.conf", "user=admin\npassword=\n"),
        ("/etc/x.conf", "pppoe_username=me\npppoe_password=abc12345\n"),
        ("/www/login.js", 'user = "admin"\npassword = "secret1"\n'),
        ("/etc/x.conf", "password=lonely99\n"),
        ("/etc/config/rpcd", "option username 'root'\n option password '$p$root'\n"),
        ("/etc/pam.d/login", "password required pam_unix.so\nuser: x\n"),
    ],
)
def test_templates_code_and_other_peoples_logins_are_none(device: MadeDevice, path: str, text: str) -> None:
    device.file(path, text)
    assert device.facts().accounts == ()


def test_offsets_point_at_the_line(device: MadeDevice, tmp_path: Path) -> None:
    text = "daemon:*:1:1:daemon:/var:/bin/false\nroot::0:0:root:/root:/bin/sh\n"
    device.file("/etc/passwd", text)
    assert _named(device).evidence[0].offset == text.index("root::")


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200))
def test_any_text_in_account_files_and_configuration_gives_an_answer(text: str) -> None:
    device = MadeDevice()
    device.file("/etc/passwd", text)
    device.file("/etc/shadow", f"root:{text}\n")
    device.file("/etc/web.conf", f"user={text}\npassword={text}\n{text}")
    device.file("/etc/init.d/rcS", f"#!/bin/sh\necho {text} | chpasswd\ntelnetd -u {text}\n")
    device.facts()
