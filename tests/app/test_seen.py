"""What the firmware shows of how its components are used."""

import datetime

from customhouse.app.seen import built_by, seen_of
from customhouse.app.vulnerabilities import vulnerabilities_of
from customhouse.model import (
    AppletFacts,
    Component,
    Confidence,
    DeviceFacts,
    Digest,
    ElfFacts,
    FileFacts,
    FileKind,
    FileNode,
    FileTree,
    How,
    ImagePath,
    NodeKind,
    Offset,
    Port,
    Service,
    Volume,
)


def elf(**values):
    values = {"machine": "arm", "bits": 32, "big_endian": False, "type": "dyn", "architecture": "armel", **values}
    return ElfFacts(**values)


class Device:
    """Programs by path, and what was derived of them."""

    def __init__(self):
        self.nodes, self.facts, self.components, self.services = [], {}, [], []

    def program(self, path, facts, **values):
        digest = Digest(f"{len(self.facts):064}")
        self.nodes.append(FileNode(path=ImagePath(path), kind=NodeKind.FILE, mode=0o755, digest=digest))
        self.facts[digest] = FileFacts(digest=digest, size=9, kind=FileKind.ELF, elf=facts, **values)

    def link(self, path, target):
        self.nodes.append(FileNode(path=ImagePath(path), kind=NodeKind.SYMLINK, target=target))

    def component(self, name, version, *files):
        self.components.append(
            Component(name=name, version=version, how=How.DEFINES, confidence=Confidence.HIGH, files=files)
        )

    def service(self, program, **values):
        self.services.append(Service(kind="other", program=program, **{"at_boot": True, **values}))

    def made(self):
        return DeviceFacts(
            tree=FileTree(nodes=tuple(sorted(self.nodes, key=lambda node: node.path))),
            facts=self.facts,
            components=tuple(self.components),
            services=tuple(self.services),
        )

    def seen(self, name):
        return next(item for item in seen_of(self.made()) if item.component == name)


def test_a_server_that_boot_starts_through_a_link_is_seen_with_its_port():
    device = Device()
    device.program("/usr/sbin/dropbearmulti", elf(interpreter="/lib/ld.so"))
    device.link("/usr/sbin/dropbear", "dropbearmulti")
    device.component("dropbear", "2014.63", "/usr/sbin/dropbearmulti")
    device.service(
        "/usr/sbin/dropbear", ports=(Port(number=22, protocol="tcp"),), started_by=("/etc/inittab", "/etc/init.d/S50")
    )
    seen = device.seen("dropbear")
    assert (seen.sides, seen.ports, seen.started_by) == (frozenset({"server"}), ("tcp/22",), "/etc/init.d/S50")


def test_what_nothing_starts_and_what_starts_on_a_condition_are_told_apart():
    device = Device()
    device.program("/sbin/a", elf())
    device.program("/sbin/b", elf())
    device.component("dnsmasq", "2.78", "/sbin/a")
    device.component("dropbear", "2017.75", "/sbin/b")
    device.service("/sbin/b", at_boot=False, condition="[ -f /etc/x ]", condition_holds=None)
    assert device.seen("dnsmasq").sides == frozenset()
    assert device.seen("dnsmasq").starts_if == ""
    assert device.seen("dropbear").starts_if == "[ -f /etc/x ]"


def test_applets_are_those_of_the_table_and_those_that_run():
    device = Device()
    device.program("/bin/busybox", elf(), applets=AppletFacts(names=("ash", "ls", "udhcpc")))
    device.component("busybox", "1.19.4", "/bin/busybox")
    device.service("/sbin/udhcpc", applet="udhcpc")
    seen = device.seen("busybox")
    assert seen.applets == {"ash", "ls", "udhcpc"}
    assert seen.applets_run == {"udhcpc"}
    rows = {row.id: row.reachability for row in vulnerabilities_of(device.made(), None, None)[0]}
    assert rows["CVE-2016-2148"].status == "affected"  # udhcpc runs
    assert rows["CVE-2018-1000517"].justification == "vulnerable_code_not_present"  # no wget in this build


def test_an_applet_that_starts_on_a_condition_is_told_from_one_that_nothing_starts():
    device = Device()
    device.program("/bin/busybox", elf(), applets=AppletFacts(names=("ash", "udhcpc", "wget")))
    device.component("busybox", "1.19.4", "/bin/busybox")
    device.service("/sbin/udhcpc", applet="udhcpc", at_boot=False, condition="[ -f /etc/wifi ]", condition_holds=False)
    rows = {row.id: row.reachability for row in vulnerabilities_of(device.made(), None, None)[0]}
    assert rows["CVE-2016-2148"].reopens_if == ("whether udhcpc runs (something starts it, under a condition)",)
    assert rows["CVE-2018-1000517"].reopens_if == ("whether wget runs (nothing was seen to start it)",)


def test_what_a_microcontroller_is_built_from_is_used_not_started():
    device = Device()
    device.component("esp-idf", "5.5.4")
    assert device.seen("esp-idf").library
    device.component("linux-kernel", "4.4.1")
    assert not device.seen("linux-kernel").library  # its question is which ports listen


def test_functions_called_are_those_that_users_of_the_library_import():
    device = Device()
    device.program("/lib/libz.so.1", elf(soname="libz.so.1"))
    device.program("/bin/app", elf(needed=("libz.so.1",), imports=("inflate", "inflateInit_")))
    device.program("/bin/other", elf(needed=("libc.so",), imports=("inflateGetHeader",)))
    device.component("zlib", "1.2.8", "/lib/libz.so.1")
    seen = device.seen("zlib")
    assert seen.called == {"inflate", "inflateInit_"}
    assert seen.library
    rows = {row.id: row.reachability for row in vulnerabilities_of(device.made(), None, None)[0]}
    assert rows["CVE-2022-37434"].justification == "vulnerable_code_not_in_execute_path"


def test_a_library_that_is_linked_in_keeps_its_calls_to_itself():
    device = Device()
    device.program("/bin/app", elf(is_static=True))
    device.component("zlib", "1.2.8", "/bin/app")
    assert device.seen("zlib").called is None


def test_the_machine_is_read_from_the_programs():
    device = Device()
    device.program("/bin/app", elf(machine="mips", architecture="mips", big_endian=True))
    device.component("uclibc", "0.9.30", "/bin/app")
    facts = device.seen("uclibc").facts
    assert (facts["arm"], facts["big-endian"], facts["32-bit"]) == (False, True, True)


def test_mentions_are_no_components():
    device = Device()
    device.components.append(
        Component(name="openssl", version="1.0.1", how=How.MENTIONS, confidence=Confidence.LOW, files=("/bin/app",))
    )
    assert seen_of(device.made()) == ()


def test_symbols_of_a_tls_library_say_how_it_is_used_and_built():
    device = Device()
    device.program("/lib/libmbedtls.so", elf(soname="libmbedtls.so.12", needed=("libmbedcrypto.so.3",), exports=("x",)))
    device.program("/lib/libmbedcrypto.so", elf(soname="libmbedcrypto.so.3", exports=("mbedtls_dhm_init",)))
    device.program(
        "/bin/a", elf(needed=("libmbedtls.so.12",), imports=("mbedtls_ssl_set_hostname", "mbedtls_ssl_read"))
    )
    device.program("/bin/b", elf(needed=("libmbedtls.so.12",), imports=("mbedtls_ssl_conf_psk",)))
    device.component("mbedtls", "2.16.0", "/lib/libmbedtls.so", "/lib/libmbedcrypto.so")
    facts = device.seen("mbedtls").facts
    assert facts["psk"] is True
    assert facts["dtls"] is False
    assert "host-name-set" not in facts  # one program does, the other does not
    assert facts["own-rsa-key"] is False
    assert facts["MBEDTLS_X509_CRL_PARSE_C"] is False
    assert "MBEDTLS_DHM_C" not in facts
    rows = {row.id: row.reachability for row in vulnerabilities_of(device.made(), None, None)[0]}
    assert rows["CVE-2020-36426"].justification == "vulnerable_code_not_present"
    assert rows["MBEDTLS-CL-2.16.6-dtls-hello-verify-overread"].justification == "vulnerable_code_not_in_execute_path"


def test_the_day_of_the_image_is_that_of_its_newest_volume():
    def volume(created):
        return Volume(name=created, kind="uimage", offset=Offset(0), size=1, detail={"created": created})

    def built(*times):
        return built_by(DeviceFacts(tree=FileTree(volumes=tuple(volume(time) for time in times)), facts={}))

    assert built("1398000000", "1390000000") == datetime.date(2014, 4, 20)
    assert built("0", "99999999999", "soon") is None
