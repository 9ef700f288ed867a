"""How firmware arrives, and what checks it."""

import pytest
from tests.firmware.conftest import MadeDevice

from customhouse.model import ContentFacts, HostMention, UpdatePath


def _one(device: MadeDevice) -> UpdatePath:
    [path] = device.facts().updates
    return path


def test_a_script_that_fetches_and_writes_flash_is_an_unverified_path(device: MadeDevice) -> None:
    device.file("/usr/bin/up", "#!/bin/sh\nwget -O /tmp/f http://fw.maker.com/f && flashcp /tmp/f /dev/mtd3\n")
    path = _one(device)
    assert (path.mechanism, path.transport, path.signature_checked) == ("script /usr/bin/up", "http", False)
    assert path.certificate_checked is None
    assert "flashcp" in path.evidence[0].excerpt


@pytest.mark.parametrize(
    "check",
    [
        "usign -V -m /tmp/f -p /etc/key.pub",
        "openssl dgst -sha256 -verify /etc/key.pem -signature /tmp/s /tmp/f",
        "gpgv --verify /tmp/f.sig",
    ],
)
def test_a_known_verifier_in_the_script_is_a_signature_check(device: MadeDevice, check: str) -> None:
    device.file(
        "/usr/bin/up",
        f"#!/bin/sh\ncurl -o /tmp/f https://fw.maker.com/f\n{check} || exit 1\nmtd write /tmp/f firmware\n",
    )
    path = _one(device)
    assert (path.transport, path.signature_checked, path.certificate_checked) == ("https", True, True)


def test_what_a_caller_does_before_flash_is_written_counts(device: MadeDevice) -> None:
    device.file("/usr/bin/write_home.sh", "#!/bin/sh\ndd if=/tmp/f of=/dev/mtdblock3\n")
    assert (_one(device).transport, _one(device).signature_checked) == ("local-file", None)
    device.file("/usr/bin/upgrade.sh", "#!/bin/sh\nwget -O /tmp/f ftp://fw.maker.com/f\n/usr/bin/write_home.sh\n")
    assert (_one(device).transport, _one(device).signature_checked) == ("ftp", False)
    device.file("/usr/bin/upgrade.sh", "#!/bin/sh\nwget -O /tmp/f $URL\nrsa_pub_dec /tmp/f\nwrite_home.sh\n")
    assert (_one(device).transport, _one(device).signature_checked) == ("unknown", None)


def test_what_calls_sysupgrade_says_nothing_of_it(device: MadeDevice) -> None:
    device.file("/sbin/sysupgrade", "#!/bin/sh\nrun_ramfs 'do_upgrade'\n")
    device.file("/usr/sbin/auto", "#!/bin/sh\nwget http://fw.maker.com/f\nusign -V -m f\n/sbin/sysupgrade f\n")
    found = {path.mechanism: path for path in device.facts().updates}
    assert found["script /sbin/sysupgrade"].signature_checked is False
    assert found["script /sbin/sysupgrade"].transport == "local-file"
    assert found["script /usr/sbin/auto"].signature_checked is True


def test_a_program_that_only_fetches_is_left_open(device: MadeDevice) -> None:
    _updater(device, "open", paths=("/tmp/x",), hosts=("http://fw.maker.com/version/",))
    assert (_one(device).transport, _one(device).signature_checked) == ("http", None)


def test_a_helper_that_may_verify_leaves_it_open(device: MadeDevice) -> None:
    device.file("/usr/bin/up", "#!/bin/sh\n/usr/bin/verify_image /tmp/f || exit 1\nmtd write /tmp/f firmware\n")
    assert _one(device).signature_checked is None


def test_switched_off_certificate_checks_are_said(device: MadeDevice) -> None:
    device.file(
        "/usr/bin/up", "#!/bin/sh\ncurl -s -k https://fw.maker.com/f -o /tmp/f\nnandwrite -p /dev/mtd3 /tmp/f\n"
    )
    assert _one(device).certificate_checked is False


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\n# flashcp /tmp/f /dev/mtd3\necho nothing\n",
        "#!/bin/sh\nmtd write /tmp/c config\n",
        "#!/bin/sh\ncat /dev/mtd3 > /tmp/backup\n",
        "#!/bin/sh\ntouch /tmp/sysupgrade\n",
        "#!/bin/sh\nsysupgrade -b /tmp/backup.tgz\n",
        "#!/bin/sh\necho x | mtd write - rootfs\n",
    ],
)
def test_other_uses_of_flash_are_no_update(device: MadeDevice, text: str) -> None:
    device.file("/usr/bin/x", text)
    assert device.facts().updates == ()


def test_openwrts_sysupgrade_is_one_path_with_its_stages(device: MadeDevice) -> None:
    device.file("/sbin/sysupgrade", "#!/bin/sh\n. /lib/upgrade/common.sh\n")
    device.file("/lib/upgrade/common.sh", "#!/bin/sh\ndefault_do_upgrade() { mtd write - firmware; }\n")
    assert (_one(device).mechanism, _one(device).signature_checked) == ("script /sbin/sysupgrade", False)
    device.file("/lib/upgrade/fwtool.sh", "#!/bin/sh\nfwtool_check_signature() { ucert -V -m $1; }\n")
    assert _one(device).signature_checked is True


def test_opkg_feeds_are_a_path_and_their_option_the_check(device: MadeDevice) -> None:
    device.file("/etc/opkg.conf", "src/gz base http://downloads.openwrt.org/base\n")
    path = _one(device)
    assert (path.mechanism, path.transport, path.signature_checked) == ("opkg packages", "http", False)
    device.file("/etc/opkg.conf", "src/gz base http://downloads.openwrt.org/base\noption check_signature 1\n")
    assert _one(device).signature_checked is True


def _updater(
    device: MadeDevice, *imports: str, paths: tuple[str, ...] = ("/dev/mtd4",), hosts: tuple[str, ...] = ()
) -> None:
    mentions = tuple(HostMention(host="fw.maker.com", scheme="http", excerpt=url) for url in hosts)
    content = ContentFacts(markers={"update-words": (100,)}, paths=paths, hosts=mentions)
    device.elf("/usr/bin/updated", imports=imports, needed=("libc.so.0",), content=content)
    device.elf("/lib/libc.so.0", type="dyn", soname="libc.so.0")


def test_a_program_that_writes_flash_without_any_verifier_is_unverified(device: MadeDevice) -> None:
    _updater(device, "open", "write")
    path = _one(device)
    assert (path.mechanism, path.signature_checked) == ("program /usr/bin/updated", False)


def test_a_program_that_could_verify_is_left_open(device: MadeDevice) -> None:
    _updater(device, "open", "RSA_verify")
    assert _one(device).signature_checked is None


def test_a_program_that_only_speaks_of_updates_is_none(device: MadeDevice) -> None:
    _updater(device, "open", paths=("/tmp/x",))
    assert device.facts().updates == ()


def test_an_upload_form_for_firmware_is_a_web_form(device: MadeDevice) -> None:
    device.file("/www/up.html", '<form action="/upgrade.cgi"><input type="file" name="firmware"></form>\n')
    assert (_one(device).mechanism, _one(device).transport) == ("web form", "web-form")
    device.file("/www/up.html", '<form action="/photo.cgi"><input type="file" name="photo"></form>\n')
    assert device.facts().updates == ()
