"""What is known by hand of the start of real images is what is derived from them."""

from pathlib import Path

import pytest

from customhouse.firmware.extractors import EXTRACTORS
from customhouse.firmware.facts import facts_of_bytes
from customhouse.firmware.link.boot import boot
from customhouse.firmware.link.files import files_of
from customhouse.firmware.link.services import services
from customhouse.firmware.unpack import unpack
from customhouse.host.context import Context
from customhouse.model import Service

pytestmark = [pytest.mark.corpus, pytest.mark.slow]


@pytest.fixture
def started(corpus, tmp_path):
    """Services of an image, by unpacking it and the cheap facts of its files."""

    def made(name: str) -> tuple[Service, ...]:
        unpacked = unpack(corpus / "images" / name, Context(work=tmp_path))
        cheap = [one for one in EXTRACTORS if one.name in ("elf", "text", "content")]
        facts = {digest: facts_of_bytes(Path(path).read_bytes(), cheap) for digest, path in unpacked.contents.items()}
        return services(boot(unpacked.tree, files_of(unpacked.tree, facts)))

    return made


def of(found: tuple[Service, ...], kind: str) -> list[Service]:
    return [service for service in found if service.kind == kind and service.at_boot]


@pytest.mark.parametrize("image", ["openwrt-tl-wr703n-v1-factory.bin", "openwrt-tl-mr3020-v1-factory.bin"])
def test_openwrt_offers_telnet_while_root_has_no_password(started, image):
    found = started(image)
    [telnet] = of(found, "telnet")
    assert telnet.arguments == ("-l", "/bin/login.sh")
    assert telnet.started_by[-1] == "/etc/rc.d/S50telnet"
    assert telnet.condition_holds is True
    assert "has_root_pwd" in telnet.condition
    assert telnet.authentication == "none"
    assert [one.started_by[-1] for one in of(found, "ssh")] == ["/etc/rc.d/S50dropbear"]
    assert [one.started_by[-1] for one in of(found, "dns")] == ["/etc/rc.d/S60dnsmasq"]


def test_lede_starts_no_telnet(started):
    found = started("lede-17.01.4-tl-wr841-v11-factory.bin")
    assert [one for one in found if one.kind == "telnet" and one.started_by] == []
    assert {one.program for one in of(found, "ssh") + of(found, "http")} == {"/usr/sbin/dropbear", "/usr/sbin/uhttpd"}


def test_freifunk_starts_what_its_links_say(started):
    found = started("ffulm-0.6.5-tl-wr841n-v11-factory.bin")
    links = {one.program.rpartition("/")[2]: one.started_by[-1] for one in found if one.at_boot}
    assert links["telnetd"] == "/etc/rc.d/S50telnet"
    assert links["uhttpd"] == "/etc/rc.d/S50uhttpd"
    assert links["dropbear"] == "/etc/rc.d/S50dropbear"
    assert links["alfred"] == "/etc/rc.d/S99alfred"
    assert links["fastd"] == "/etc/rc.d/S95fastd"


def test_the_stock_router_starts_its_web_server_and_a_getty(started):
    found = started("wr841n_v11_160325_stock.bin")
    [web] = of(found, "http")
    assert (web.program, web.started_by) == ("/usr/bin/httpd", ("/etc/inittab", "/etc/rc.d/rcS"))
    [console] = of(found, "console")
    assert (console.program, console.arguments[0], console.authentication) == ("/sbin/getty", "ttyS0", "password")


def test_the_gateway_keeps_a_shell_on_its_console_and_starts_no_telnet_by_script(started):
    found = started("HG532eV100R001C01B020_upgrade_packet.bin")
    [console] = of(found, "console")
    assert (console.program, console.authentication, console.respawn) == ("/bin/sh", "none", True)
    [telnet] = [one for one in found if one.kind == "telnet"]
    assert not telnet.at_boot
    assert any(one.program == "/bin/upnp" for one in found)


def test_the_spy_camera_starts_telnet(started):
    [telnet] = of(started("spycam__rootfs.bin"), "telnet")
    assert (telnet.started_by, telnet.condition) == (("/etc/inittab", "/etc/init.d/rcS"), "")


def test_the_camera_in_partitions_is_followed_from_one_to_the_next(started):
    found = started("yi-1080-flash")
    [console] = of(found, "console")
    assert (console.program, console.authentication) == ("/bin/sh", "none")
    [application] = [one for one in found if one.program == "/home/app/p2p_tnp"]
    assert "/backup/init.sh" in application.started_by
    assert of(found, "telnet") == []
