"""The fetch goes to public addresses over HTTPS, to the address that was checked, within limits."""

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from customhouse.gateway.profile import fetch as fetching
from customhouse.gateway.profile.fetch import fetch, public_address
from customhouse.host.errors import InputError

BODY = b'{"ietf-mud:mud": {}}'


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", {"/to/self": "/file", "/to/http": "http://maker.example/x",
                "/to/loop": "/to/loop",
                                          "/to/private": "https://inside.example/x"}[self.path])  # fmt: skip
            self.end_headers()
            return
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Cache-Control", "public, max-age=3600")
        self.end_headers()
        self.wfile.write(bytes(3000) if self.path == "/large" else BODY)

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, ssl.SSLContext]]:
    folder = tmp_path_factory.mktemp("server")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=maker.example", "-addext", "subjectAltName=DNS:maker.example",
                    "-keyout", f"{folder}/key", "-out", f"{folder}/certificate"], check=True,
                        capture_output=True)  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(folder, "certificate"), Path(folder, "key"))
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    served.socket = context.wrap_socket(served.socket, server_side=True)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    trusted = ssl.create_default_context(cafile=str(Path(folder, "certificate")))
    yield served.server_address[1], trusted
    served.shutdown()


@pytest.fixture
def here_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's server is on loopback; `inside.example` still is not public."""
    real = public_address

    def check(addresses: tuple[str, ...], host: str) -> str:
        return real(addresses, host) if host == "inside.example" else addresses[0]

    monkeypatch.setattr(fetching, "public_address", check)


def look_up(host: str, port: int) -> tuple[str, ...]:
    return ("10.0.0.7",) if host == "inside.example" else ("127.0.0.1",)


@pytest.mark.usefixtures("here_is_public")
def test_a_file_is_fetched_also_over_a_redirect_and_its_freshness_kept(server: tuple[int, ssl.SSLContext]) -> None:
    port, trusted = server
    found = fetch(f"https://maker.example:{port}/to/self", look_up=look_up, context=trusted)
    assert (found.body, found.seconds) == (BODY, 3600)


@pytest.mark.usefixtures("here_is_public")
@pytest.mark.parametrize(("path", "why"), [
    ("/missing", "404"), ("/to/http", "no plain https"), ("/to/loop", "redirects"), ("/to/private", "not a public"),
    ("/large", "larger than"),
])  # fmt: skip
def test_everything_else_is_refused_in_one_line(server: tuple[int, ssl.SSLContext], path: str, why: str) -> None:
    port, trusted = server
    with pytest.raises(InputError, match=why):
        fetch(f"https://maker.example:{port}{path}", look_up=look_up, context=trusted, most=2000)


@pytest.mark.usefixtures("here_is_public")
def test_another_hosts_certificate_is_not_taken(server: tuple[int, ssl.SSLContext]) -> None:
    port, trusted = server
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch(f"https://other.example:{port}/file", look_up=look_up, context=trusted)


@pytest.mark.parametrize("address", [
    "127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255",
    "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::",
])  # fmt: skip
def test_no_address_of_a_house_or_a_machine_is_fetched_from(address: str) -> None:
    with pytest.raises(InputError, match="not a public address"):
        public_address(("9.9.9.9", address), "maker.example")


def test_public_addresses_pass() -> None:
    assert public_address(("9.9.9.9", "2620:fe::fe"), "maker.example") == "9.9.9.9"


@pytest.mark.parametrize("url", ["http://maker.example/x", "https://user@maker.example/", "https://[::1]/",
    "file:///etc/passwd",
                                 "https://maker.example/ x", "https://maker.example:99999/"])  # fmt: skip
def test_urls_that_are_not_plain_https_are_refused_before_any_look_up(url: str) -> None:
    def never(host: str, port: int) -> tuple[str, ...]:
        raise AssertionError("looked up")

    with pytest.raises(InputError):
        fetch(url, look_up=never)
