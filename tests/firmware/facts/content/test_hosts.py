"""Hosts and addresses that are there, and strings that only look like them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.facts import facts_of_bytes
from customhouse.firmware.facts.content import ContentExtractor
from customhouse.model import HostMention


def _mentions(data: bytes) -> tuple[HostMention, ...]:
    content = facts_of_bytes(data, (ContentExtractor(),)).content
    return content.hosts if content is not None else ()


def _hosts(data: bytes) -> list[str]:
    return [mention.host for mention in _mentions(data)]


def test_a_url_gives_scheme_host_port_and_place() -> None:
    [mention] = _mentions(b"\x00\x01fetch \x00http://fw.maker.com:8080/v1/latest\x00")
    assert (mention.scheme, mention.host, mention.port, mention.offset) == ("http", "fw.maker.com", 8080, 9)
    assert mention.excerpt == "http://fw.maker.com:8080/v1/latest"


@pytest.mark.parametrize(
    ("data", "hosts"),
    [
        (b"\x00time.nist.gov\x00\x01", ["time.nist.gov"]),
        (b'server = "api.tuya.io"\n', ["api.tuya.io"]),
        (b"ping -c 1 www.baidu.com \n", ["www.baidu.com"]),
        (b"mqtts://Broker.Cloud.example.cn/x\n", ["broker.cloud.example.cn"]),
        (b"nameserver 114.114.114.114\n", ["114.114.114.114"]),
        (b"nameserver 8.8.8.8\n", ["8.8.8.8"]),
        (b"tcp://47.88.1.9:9000\n", ["47.88.1.9"]),
        (b"url http://[2001:db8::1]:80/\n", ["2001:db8::1"]),
        (b"ssh://user:secret@box.maker.org/\n", ["box.maker.org"]),
    ],
)
def test_hosts_are_found(data: bytes, hosts: list[str]) -> None:
    assert _hosts(data) == hosts


@pytest.mark.parametrize(
    "data",
    [
        b"\x00libfoo.so\x00libcrypto.so.1.0.0\x00",
        b"load /etc/rc.conf and update.sh\n",
        b"version 1.2.3.4 of this\n",
        b"busybox v1.22.1.2\n",
        b"OID 2.5.29.15 and 1.3.6.1.4.1\n",
        b"netmask 255.255.255.0 via 127.0.0.1 to 0.0.0.0\n",
        b"http://%s:%d/upgrade\n",
        b"http://localhost/x\n",
        b"mail me@maker.com please\n",
        b"obj.io.write(this.me)\n",
        b"group 239.255.255.250\n",
        b"a.b.c.com.png\n",
        b"file.com_backup\n",
        b"\x00event.cc\x00miIO.info\x00read.me\x00",
        b"\x00::192.88.99.1\x00",
    ],
)
def test_what_only_looks_like_a_host_is_none(data: bytes) -> None:
    assert _hosts(data) == []


def test_a_password_in_a_url_is_not_quoted() -> None:
    [mention] = _mentions(b"url=mqtt://cam:S3cret99@mq.maker.com/x\n")
    assert mention.excerpt == "url=mqtt://cam:…@mq.maker.com/x"


def test_each_host_is_listed_once_where_it_first_stands() -> None:
    mentions = _mentions(b"http://a.maker.com/1\nhttp://a.maker.com/2\nhttps://a.maker.com/3\n")
    assert [(m.scheme, m.offset) for m in mentions] == [("http", 0), ("https", 42)]


@given(st.binary(max_size=400))
def test_any_bytes_around_a_trigger_do_no_harm(data: bytes) -> None:
    for mention in _mentions(data + b"://" + data + b"1.2.3.4" + data + b"x.com\x00" + data):
        assert mention.host
