"""Scripts of the web server that run what a request says."""

from tests.firmware.conftest import MadeDevice

from customhouse.firmware.checks.flows import CommandFromNetwork
from customhouse.firmware.checks.web import CommandFromRequest
from customhouse.model import Severity


def test_a_cgi_that_evaluates_its_query_is_found_once(device: MadeDevice) -> None:
    device.file("/www/cgi-bin/time.cgi", '#!/bin/sh\neval "date -s $QUERY_STRING"\n')
    facts = device.facts()
    [finding] = CommandFromRequest().findings(facts)
    assert finding.severity is Severity.MEDIUM  # nothing starts a web server here
    assert "$QUERY_STRING reaches eval" in finding.detail
    assert not list(CommandFromNetwork().findings(facts))


def test_with_a_web_server_at_boot_it_is_grave(device: MadeDevice) -> None:
    device.file("/bin/busybox", b"\x7fELF\0", executable=True)
    device.link("/sbin/init", "/bin/busybox")
    device.link("/usr/sbin/httpd", "/bin/busybox")
    device.link("/bin/sh", "/bin/busybox")
    device.file("/etc/inittab", "::sysinit:/etc/init.d/rcS\n")
    device.file("/etc/init.d/rcS", "#!/bin/sh\nhttpd -h /www\n")
    device.file("/www/cgi-bin/time.cgi", '#!/bin/sh\neval "date -s $QUERY_STRING"\n')
    [finding] = CommandFromRequest().findings(device.facts())
    assert finding.severity is Severity.HIGH


def test_a_cgi_with_a_list_of_values_is_not(device: MadeDevice) -> None:
    device.file(
        "/www/cgi-bin/zone.cgi", '#!/bin/sh\ncase "$QUERY_STRING" in\n utc) z=UTC0 ;;\n *) exit 0 ;;\nesac\necho $z\n'
    )
    assert not list(CommandFromRequest().findings(device.facts()))
