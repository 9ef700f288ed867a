"""What the manifest says of accounts in real images, and that nothing else is said of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from customhouse.firmware.checks import check
from customhouse.firmware.extractors import EXTRACTORS
from customhouse.firmware.facts import map_contents
from customhouse.firmware.link import link
from customhouse.firmware.unpack import unpack
from customhouse.host.context import Context
from customhouse.model import Account, DeviceFacts

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

Read = Callable[[str], DeviceFacts]


@pytest.fixture(scope="module")
def read(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    """Unpacks, maps (machine code left aside) and links one image; each once."""
    done: dict[str, DeviceFacts] = {}
    cache = tmp_path_factory.mktemp("cache")
    extractors = tuple(e for e in EXTRACTORS if e.name in ("elf", "text", "content"))

    def reader(name: str) -> DeviceFacts:
        if name not in done:
            context = Context(work=tmp_path_factory.mktemp("work"), cache=cache, jobs=2)
            unpacked = unpack(corpus / "images" / name, context)
            facts = map_contents(unpacked.contents, extractors, context)
            done[name] = link(unpacked.tree, facts, context, unpacked.contents)
        return done[name]

    yield reader


def _root(device: DeviceFacts) -> Account:
    return next(account for account in device.accounts if account.user == "root")


def _tags(device: DeviceFacts) -> set[str]:
    return {tag for finding in check(device) for tag in finding.tags}


def test_the_spy_camera_lets_anyone_be_root(read: Read) -> None:
    device = read("spycam__rootfs.bin")
    root = _root(device)
    assert (root.empty, root.remote, root.via) == (True, True, ("/usr/sbin/telnetd",))
    assert "remote-root" in _tags(device)


def test_tp_links_root_password_is_recovered_and_no_login_takes_it(read: Read) -> None:
    device = read("wr841n_v11_160325_stock.bin")
    root = _root(device)
    assert (root.password, root.hash_kind, root.remote) == ("sohoadmin", "md5", False)
    assert not {"remote-root", "universal-password"} & _tags(device)


def test_openwrt_with_no_password_set_opens_telnet_to_anyone(read: Read) -> None:
    device = read("openwrt-tl-wr703n-v1-factory.bin")
    root = _root(device)
    assert (root.empty, root.remote) == (True, True)
    assert "remote-root" in _tags(device)
    others = [account for account in device.accounts if account.user != "root"]
    assert others
    assert all(account.hash_kind == "locked" and not account.remote for account in others)


def test_lede_has_an_empty_root_password_and_no_telnet(read: Read) -> None:
    device = read("lede-17.01.4-tl-wr841-v11-factory.bin")
    assert _root(device).empty
    assert not any("telnetd" in program for account in device.accounts for program in account.via)
    assert not [flow for flow in device.flows if flow.architecture == "lua"]  # LuCI's own pages are no flaw
    assert not [secret for secret in device.secrets if secret.kind in ("private-key", "api-key", "wifi-key")]


def test_the_cloud_camera_is_one_device_with_an_empty_root_password(read: Read) -> None:
    device = read("yi-1080-flash")
    root = _root(device)
    assert (root.empty, root.remote) == (True, False)
    domains = {endpoint.domain for endpoint in device.endpoints if endpoint.role == "service"}
    assert {"xiaoyi.com", "mi-ae.com.sg"} <= domains


def test_the_routers_key_is_found_with_its_users(read: Read) -> None:
    device = read("HG532eV100R001C01B020_upgrade_packet.bin")
    keys = [secret for secret in device.secrets if secret.kind == "private-key"]
    assert [(key.evidence[0].path, key.used_by) for key in keys] == [("/etc/serverkey.pem", ("/bin/upnp", "/bin/web"))]
    assert "remote-root" not in _tags(device)
