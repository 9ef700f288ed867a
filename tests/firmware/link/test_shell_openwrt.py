"""OpenWrt: rc.common, procd and UCI, as devices made of text."""

import pytest

from customhouse.firmware.link.uci import sections

COMMON = "#!/bin/sh /etc/rc.common\nSTART=50\n"
DROPBEAR = (
    COMMON
    + """USE_PROCD=1
PROG=/usr/sbin/dropbear
dropbear_instance() {
	local PasswordAuth enable Port
	uci_validate_section dropbear dropbear "${1}" 'PasswordAuth:bool:1' 'enable:bool:1' 'Port:list(port):22' || return 1
	[ "${enable}" = "0" ] && return 1
	procd_open_instance
	procd_set_param command "$PROG" -F
	[ "${PasswordAuth}" -eq 0 ] && procd_append_param command -s
	for port in ${Port}; do procd_append_param command -p "${port}"; done
	procd_set_param respawn
	procd_close_instance
}
start_service() {
	config_load dropbear
	config_foreach dropbear_instance dropbear
}
"""
)


@pytest.fixture
def openwrt(device):
    device.elf("/bin/busybox")
    device.elf("/sbin/init")
    device.elf("/sbin/procd")
    device.link("/bin/ash", "busybox")
    device.link("/usr/sbin/telnetd", "../../bin/busybox")
    device.file("/etc/inittab", "::sysinit:/etc/init.d/rcS S boot\n::shutdown:/etc/init.d/rcS K shutdown\n")
    device.file("/etc/rc.common", ". $IPKG_INSTROOT/lib/functions.sh\n")
    device.file("/lib/functions.sh", "config_get() { eval something; }\n")
    device.elf("/usr/sbin/dropbear")
    return device


def ssh(device):
    return next(service for service in device.facts().services if service.kind == "ssh")


def enable(device, name, text, number=50):
    device.file(f"/etc/init.d/{name}", text, executable=True)
    device.link(f"/etc/rc.d/S{number}{name}", f"../init.d/{name}")


def test_a_procd_service_that_is_enabled_starts_with_its_settings(openwrt):
    enable(openwrt, "dropbear", DROPBEAR)
    openwrt.file("/etc/config/dropbear", "config dropbear\n\toption PasswordAuth 'on'\n\toption Port '2222'\n")
    service = ssh(openwrt)
    assert service.at_boot
    assert service.arguments == ("-F", "-p", "2222")
    assert service.started_by == ("/etc/inittab", "/etc/rc.d/S50dropbear")
    assert service.respawn
    assert service.authentication == "password"


def test_a_setting_can_forbid_passwords(openwrt):
    enable(openwrt, "dropbear", DROPBEAR)
    openwrt.file("/etc/config/dropbear", "config dropbear\n\toption PasswordAuth 'off'\n")
    service = ssh(openwrt)
    assert service.arguments == ("-F", "-s", "-p", "22")
    assert service.authentication == "key"


def test_a_setting_can_switch_the_service_off(openwrt):
    enable(openwrt, "dropbear", DROPBEAR)
    openwrt.file("/etc/config/dropbear", "config dropbear\n\toption enable '0'\n")
    service = ssh(openwrt)
    assert not service.at_boot
    assert service.condition_holds is False


def test_a_script_without_its_link_does_not_run(openwrt):
    openwrt.file("/etc/init.d/dropbear", DROPBEAR, executable=True)
    openwrt.file("/etc/config/dropbear", "config dropbear\n")
    assert not ssh(openwrt).at_boot


TELNET = (
    COMMON
    + """has_root_pwd() {
	local pwd=$([ -f "$1" ] && cat "$1")
	pwd="${pwd#*root:}"
	pwd="${pwd%%:*}"
	test -n "${pwd#[\\!x]}"
}
start() {
	if ! has_root_pwd /etc/passwd && ! has_root_pwd /etc/shadow; then
		service_start /usr/sbin/telnetd -l /bin/login.sh
	fi
}
"""
)


@pytest.mark.parametrize(("shadow", "starts"), [("x", True), ("!", True), ("", True), ("$1$ab$cdefgh", False)])
def test_telnet_runs_while_root_has_no_password(openwrt, shadow, starts):
    enable(openwrt, "telnet", TELNET)
    openwrt.file("/etc/passwd", "root:x:0:0:root:/root:/bin/ash\n")
    openwrt.file("/etc/shadow", f"root:{shadow}:0:0:99999:7:::\n")
    openwrt.file("/bin/login.sh", "#!/bin/sh\nexec /bin/ash --login\n")
    [service] = [one for one in openwrt.facts().services if one.kind == "telnet"]
    assert service.at_boot is starts
    assert service.condition_holds is starts
    assert "has_root_pwd /etc/shadow" in service.condition
    assert service.authentication == "none"


def test_settings_that_are_made_at_first_boot_are_not_guessed(openwrt):
    script = COMMON + "start() {\n config_load telnet\n config_get_bool on main enabled 0\n [ $on = 1 ] && telnetd\n}\n"
    enable(openwrt, "telnet", script)
    [service] = [one for one in openwrt.facts().services if one.kind == "telnet"]
    assert (service.at_boot, service.condition_holds) == (False, None)


def test_uci_sections_options_and_lists_are_read():
    [first, second] = sections("config a 'one'\n\toption x '1'\n\tlist y 'p'\n\tlist y 'q'\nnonsense \"\nconfig b\n")
    assert (first.kind, first.name, first.options) == ("a", "one", {"x": ["1"], "y": ["p", "q"]})
    assert (second.kind, second.name) == ("b", "")


NEWER = (
    COMMON
    + """USE_PROCD=1
NAME=dropbear
PROG=/usr/sbin/dropbear
validate_section_dropbear() {
	uci_load_validate dropbear dropbear "$1" "$2" 'PasswordAuth:bool:1' 'enable:bool:1' 'Port:port:22' 'keyfile:file'
}
dropbear_instance() {
	[ "$2" = 0 ] || { echo "validation failed"; return 1; }
	[ "${enable}" = "0" ] && return 1
	procd_open_instance
	procd_set_param command "$PROG" -F -P "/var/run/$NAME.1.pid"
	[ "${PasswordAuth}" -eq 0 ] && procd_append_param command -s
	[ -n "${Port}" ] && procd_append_param command -p "${Port}"
	procd_close_instance
}
start_service() {
	. /lib/functions.sh
	config_load "${NAME}"
	config_foreach validate_section_dropbear dropbear dropbear_instance
}
"""
)


def test_the_newer_manner_of_validating_is_followed_too(openwrt):
    enable(openwrt, "dropbear", NEWER, 19)
    openwrt.file("/etc/config/dropbear", "config dropbear\n\toption PasswordAuth '0'\n\toption Port '22'\n")
    service = ssh(openwrt)
    assert service.at_boot
    assert service.arguments == ("-F", "-P", "/var/run/dropbear.1.pid", "-s", "-p", "22")
    assert service.authentication == "key"


def test_a_console_behind_a_login_script_is_still_a_console(openwrt):
    openwrt.file("/etc/inittab", "::sysinit:/etc/init.d/rcS S boot\n::askconsole:/usr/libexec/login.sh\n")
    openwrt.link("/bin/login", "busybox")
    login = '#!/bin/sh\n[ "$(uci -q get system.@system[0].ttylogin)" = 1 ] || exec /bin/ash --login\nexec /bin/login\n'
    openwrt.file("/usr/libexec/login.sh", login)
    openwrt.file("/etc/config/system", "config system\n\toption hostname 'x'\n")
    consoles = {one.program: one for one in openwrt.facts().services if one.kind == "console"}
    assert consoles["/bin/ash"].at_boot
    assert consoles["/bin/ash"].authentication == "none"
    assert consoles["/bin/login"].condition_holds is False


TRIGGERED = (
    COMMON
    + """USE_PROCD=1
boot() {
	BOOT=1
	start "$@"
}
start_service() {
	[ -n "$BOOT" ] && return
	features="$(/usr/sbin/dnsmasq --version)"
	procd_open_instance
	procd_set_param command /usr/sbin/dnsmasq -k
	procd_close_instance
}
service_triggers() {
	procd_add_raw_trigger "%s" 2000 /etc/init.d/dnsmasq reload
}
"""
)


@pytest.mark.parametrize(("event", "started"), [("interface.*", True), ("config.change", False)])
def test_a_start_that_waits_for_an_interface_is_a_start_at_boot(openwrt, event, started):
    openwrt.elf("/usr/sbin/dnsmasq")
    openwrt.file("/etc/init.d/dnsmasq", TRIGGERED % event, executable=True)
    openwrt.link("/etc/rc.d/S19dnsmasq", "../init.d/dnsmasq")
    services = [s for s in openwrt.facts().services if s.program == "/usr/sbin/dnsmasq" and s.at_boot]
    assert [service.arguments for service in services] == ([("-k",)] if started else [])
    for service in services:
        assert "interface comes up" in service.condition
        assert {port.number for port in service.ports} == {53}


def test_router_advertisements_have_no_port_and_dhcp_of_version_six_has_its_own(openwrt):
    for name in ("radvd", "odhcpd"):
        openwrt.elf(f"/usr/sbin/{name}")
        openwrt.file(
            f"/etc/init.d/{name}", COMMON + f"start() {{ service_start /usr/sbin/{name}; }}\n", executable=True
        )
        openwrt.link(f"/etc/rc.d/S50{name}", f"../init.d/{name}")
    ports = {s.program: [(p.protocol, p.number) for p in s.ports] for s in openwrt.facts().services if s.at_boot}
    assert ports["/usr/sbin/radvd"] == []
    assert ports["/usr/sbin/odhcpd"] == [("udp", 547)]
