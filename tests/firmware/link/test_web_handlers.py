"""Requests that reach commands, and the same handlers done right."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.conftest import MadeDevice

from customhouse.firmware.link import web_shell, web_taint
from customhouse.model import Flow

LUA_BAD = [
    'local ip = luci.http.formvalue("ip")\nos.execute("ping -c 1 " .. ip)\n',
    'local v = http.formvalue("v")\nlocal c = "date -s " .. v\nlocal p = io.popen(c)\n',
    'luci.sys.call("iw %s scan" % luci.http.formvalue("dev"))\n',
    'local function run(c)\n  luci.sys.exec(c)\nend\nfunction index()\n  run("ls " .. luci.http.formvalue("d"))\nend\n',
    'local q = os.getenv("QUERY_STRING")\nos.execute(q)\n',
    '<%\nlocal n = luci.http.formvalue("n")\nluci.sys.exec("nslookup " .. n)\n%>\n',
]
LUA_GOOD = [
    'local ip = luci.http.formvalue("ip")\nif ip and ip:match("^[%w.:_-]+$") then\n  os.execute("ping " .. ip)\nend\n',
    'local n = tonumber(luci.http.formvalue("n"))\nos.execute("sleep " .. n)\n',
    'local keep = luci.http.formvalue("keep") == "1" and "" or "-n"\nos.execute("sysupgrade " .. keep .. " /tmp/f")\n',
    'if luci.http.formvalue("reboot") then\n  luci.sys.call("reboot")\nend\n',
    'local ip = luci.util.shellquote(luci.http.formvalue("ip"))\nos.execute("ping " .. ip)\n',
    'local ip = luci.http.formvalue("ip")\nlocal other = "x"\nos.execute("ping " .. other)\n',
    'local n = luci.http.formvalue("n")\nos.execute(string.format("kill %d", n))\n',
    '-- local ip = luci.http.formvalue("ip") os.execute(ip)\nlocal x = [[ os.execute(luci.http.formvalue("a")) ]]\n',
    'local p = os.getenv("PATH")\nos.execute(p)\n',
    'function a()\n  local x = luci.http.formvalue("a")\nend\nfunction b()\n  os.execute(x)\nend\n',
]
PHP_BAD = [
    '<?php $ip = $_GET["ip"]; system("ping $ip"); ?>',
    '<?php exec("ls " . $_POST["dir"], $out); ?>',
    "<?php $a = $_REQUEST['a']; $b = 'x' . $a; echo shell_exec($b); ?>",
    "<?php echo `id $_GET[x]`; ?>",
    '<?php function run($c) { passthru($c); } run("x" . $_COOKIE["c"]); ?>',
    '<?php eval($_SERVER["HTTP_X_CODE"]); ?>',
]
PHP_GOOD = [
    '<?php $ip = escapeshellarg($_GET["ip"]); system("ping $ip"); ?>',
    '<?php $n = intval($_GET["n"]); exec("sleep " . $n); ?>',
    "<?php $n = $_GET['n']; if (!is_numeric($n)) die(); exec(\"sleep $n\"); ?>",
    '<?php $ip = $_GET["ip"]; if (!preg_match("/^[0-9.]+$/", $ip)) exit; system("ping " . $ip); ?>',
    '<?php if ($_GET["do"] == "reboot") system("reboot"); ?>',
    "<?php $ip = $_GET['ip']; echo 'system($ip)'; // system($ip) ?>",
    '<?php system("date " . $_SERVER["SERVER_NAME_X"]); ?>',
    'system($_GET["x"]) outside of code',
]
SHELL_BAD = [
    'eval "date -s $QUERY_STRING"\n',
    'eval $(echo "$QUERY_STRING" | tr "&" ";")\n',
    'ip=$(echo "$QUERY_STRING" | sed -n "s/^.*ip=//p")\nsh -c "ping $ip"\n',
    'echo "$HTTP_COOKIE" | sh\n',
    "ping_it() {\n  eval ping $1\n}\ncmd=$PATH_INFO\neval $cmd\n",
    'for part in $QUERY_STRING; do eval "$part"; done\n',
]
SHELL_GOOD = [
    'ping -c 1 "$QUERY_STRING"\n',
    'case "$QUERY_STRING" in\n  on) eval "led_$QUERY_STRING" ;;\n  *) echo no ;;\nesac\n',
    'n=$(echo "$QUERY_STRING" | tr -cd 0-9)\neval "sleep $n"\n',
    'n=$(echo "$QUERY_STRING" | sed \'s/[^0-9]//g\')\nsh -c "sleep $n"\n',
    'eval "echo $HOME"\n',
    'echo "$QUERY_STRING" > /tmp/q\n',
    '# eval "$QUERY_STRING"\n',
]


@pytest.mark.parametrize("text", LUA_BAD)
def test_lua_that_runs_what_it_is_sent_is_found(text: str) -> None:
    assert web_taint.reached(text, "lua")


@pytest.mark.parametrize("text", LUA_GOOD)
def test_lua_done_right_is_not(text: str) -> None:
    assert web_taint.reached(text, "lua") == []


@pytest.mark.parametrize("text", PHP_BAD)
def test_php_that_runs_what_it_is_sent_is_found(text: str) -> None:
    assert web_taint.reached(text, "php")


@pytest.mark.parametrize("text", PHP_GOOD)
def test_php_done_right_is_not(text: str) -> None:
    assert web_taint.reached(text, "php") == []


@pytest.mark.parametrize("text", SHELL_BAD)
def test_shell_that_parses_what_it_is_sent_is_found(text: str) -> None:
    assert web_shell.reached(text)


@pytest.mark.parametrize("text", SHELL_GOOD)
def test_shell_done_right_is_not(text: str) -> None:
    assert web_shell.reached(text) == []


def _flows(device: MadeDevice) -> list[Flow]:
    return [flow for flow in device.facts().flows if flow.architecture in ("lua", "php", "sh")]


def test_a_handler_of_the_image_becomes_a_flow_with_its_line(device: MadeDevice) -> None:
    device.file("/www/cgi-bin/time.cgi", '#!/bin/sh\necho\neval "date -s $QUERY_STRING"\n')
    [flow] = _flows(device)
    assert (flow.program, flow.source, flow.sink) == ("/www/cgi-bin/time.cgi", "$QUERY_STRING", "eval")
    assert flow.command == 'eval "date -s $QUERY_STRING"'
    assert flow.evidence[0].offset == 15
    assert not flow.at_boot


def test_offsets_in_lua_and_php_point_at_the_sink(device: MadeDevice) -> None:
    device.file("/www/x.php", '<?php\n// ü\n$a = $_GET["a"];\nsystem($a);\n')
    [flow] = _flows(device)
    text = '<?php\n// ü\n$a = $_GET["a"];\nsystem($a);\n'.encode()
    assert flow.evidence[0].offset == text.index(b"system")


def test_a_script_that_takes_no_request_is_no_handler(device: MadeDevice) -> None:
    device.file("/etc/init.d/x", '#!/bin/sh\neval "$OTHER"\n')
    device.file("/usr/lib/lua/x.lua", "os.execute(arg[1])\n")
    assert _flows(device) == []


@pytest.mark.parametrize(
    "text", ["[[" * 60_000, "f(" * 60_000, "os.execute(" * 20_000, "<%%>" + "<%" * 60_000, "/*" * 60_000]
)
def test_hostile_text_costs_little(text: str) -> None:
    started = time.monotonic()
    web_taint.reached(text, "lua")
    web_taint.reached("<?php " + text, "php")
    assert time.monotonic() - started < 20


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_gives_an_answer(text: str) -> None:
    web_taint.reached("luci.http.formvalue('a') " + text, "lua")
    web_taint.reached("<?php $_GET[0] " + text, "php")
    web_shell.reached("eval $QUERY_STRING\n" + text)
