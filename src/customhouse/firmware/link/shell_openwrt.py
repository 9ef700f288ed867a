"""OpenWrt's start scripts: rc.common, procd instances and UCI settings, modelled instead of followed.

Their shell libraries talk to running daemons by JSON; what they mean is small and documented
(https://openwrt.org/docs/guide-developer/procd-init-scripts, https://openwrt.org/docs/techref/initscripts).
"""

import re
from collections.abc import Callable
from dataclasses import replace

from .shell_run import Machine
from .shell_starts import TABLE, look_up, record
from .shell_state import UNKNOWN, YES, Ends, Frame, Guard, State, Truth, Value
from .shell_syntax import Simple
from .shell_words import lookup
from .uci import Section, package, pick

Call = Callable[[Machine, list[Value], State, Frame], Ends]
Model = Callable[[Machine, Simple, list[Value], State, Frame, Call], Ends]

LIBRARIES = frozenset(
    {
        "/lib/functions.sh",
        "/etc/functions.sh",
        "/lib/functions/service.sh",
        "/lib/functions/procd.sh",
        "/lib/config/uci.sh",
    }
    | {
        "/usr/share/libubox/jshn.sh",
        "/lib/functions/uci-defaults.sh",
        "/etc/rc.common",
        "/lib/config/validate_config.sh",
    }
)
_ON_INTERFACE = re.compile(r"""^\s*procd_add_(?:raw|interface)_trigger\s+["']?interface\.""", re.MULTILINE)
"""A script that puts its start off (its own `boot` returns early) until procd sees an interface: at every boot."""
_PACKAGE = " uci package"  # a blank cannot be part of a script's own variable names
_ON = frozenset({"1", "on", "true", "yes", "enabled"})
_OFF = frozenset({"0", "off", "false", "no", "disabled"})


def is_openwrt(machine: Machine) -> bool:
    return machine.files.exists("/etc/rc.common")


def run_common(machine: Machine, path: str, arguments: list[Value], state: State, frame: Frame) -> Truth:
    """A script whose interpreter is `/etc/rc.common`: its functions, then the action it is called with."""
    text = machine.files.text(path) or ""
    action = arguments[0].text if arguments else "help"
    if action == "enabled":
        name = path.rpartition("/")[2]
        return Truth(bool(machine.files.glob(f"/etc/rc.d/S[0-9][0-9]{name}")), shipped=True)
    key = f"{machine.files.real(path)} {action}"
    if key in frame.once or action not in ("boot", "start", "restart", "reload"):
        return YES
    inside = replace(state, functions={}, arguments=tuple(arguments[1:]), name=path)
    frame = frame.into(path, key)
    defined = machine.run(machine.script(path, text).body, inside, frame)
    if defined.normal is None:
        return UNKNOWN
    ends = _act(machine, "boot" if action == "boot" else "start", defined.normal, frame)
    if action == "boot" and "boot" in defined.normal.functions and _ON_INTERFACE.search(text):
        awake = defined.normal.guarded(Guard("a network interface comes up (procd trigger)", True))
        _act(machine, "start", awake, frame)
    return ends.status


def _act(machine: Machine, action: str, state: State, frame: Frame) -> Ends:
    """`boot` is `start` unless the script says otherwise; with USE_PROCD `start` is `start_service`."""
    for name in (action, "start", "start_service"):
        if name in state.functions:
            source = Simple((), (), (), name, 0)
            return machine.commands(machine, source, [Value(name)], state, frame)
    return Ends(state)


def _start(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call) -> Ends:
    """`start`, called from a script's own `boot`."""
    name = words[0].text if words[0].text in state.functions else "start_service"
    return call(machine, [Value(name), *words[1:]], state, frame) if name in state.functions else Ends(state)


def _procd(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call) -> Ends:
    return call(machine, words[1:], state, frame) if len(words) > 1 else Ends(state)


def _open(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call) -> Ends:
    machine.instance, machine.instance_options, machine.instance_guards = [], {}, ()
    return Ends(state)


def _set(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call) -> Ends:
    if len(words) < 2:
        return Ends(state)
    kind, values = words[1].text, words[2:]
    if kind == "command":
        adding = words[0].text == "procd_append_param"
        if adding and state.dormant and not any(guard.holds is False for guard in machine.instance_guards):
            return Ends(state)  # an argument that the image as shipped does not add
        machine.instance = [*machine.instance, *values] if adding else list(values)
        machine.instance_guards = machine.instance_guards if adding else state.guards
    else:
        machine.instance_options[kind] = " ".join(value.text for value in values)
    return Ends(state)


def _close(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call) -> Ends:
    if machine.instance:
        guards = tuple(dict.fromkeys((*state.guards, *machine.instance_guards)))
        options = machine.instance_options
        text = " ".join(value.text for value in machine.instance)
        told = Simple((), (), (), f"procd: {text}", command.offset)
        _started(machine, told, machine.instance, replace(state, guards=guards), frame, options)
    machine.instance = []
    return Ends(state)


def _started(
    machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, options: dict[str, str]
) -> None:
    user = options.get("user", "")
    if not words[0].known:
        return
    path = look_up(machine, words[0].text, state)
    text = machine.files.text(path) if path is not None else None
    if text is not None:
        deeper = replace(frame, respawn="respawn" in options, background=True, user=user or frame.user)
        machine.commands(machine, command, words, state, deeper)
        return
    record(
        machine, command, path or words[0].text, words[1:], state, frame,
        respawn="respawn" in options, user=user, background=True,
    )  # fmt: skip


def _service_start(
    machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call
) -> Ends:
    """The older `service_start program arguments` (start-stop-daemon underneath)."""
    if len(words) > 1:
        user = lookup("SERVICE_UID", state)
        machine.commands(
            machine, command, words[1:], state, replace(frame, background=True, user=user.text or frame.user)
        )
    return Ends(state)


def _load(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call) -> Ends:
    known = len(words) > 1 and words[1].known
    loaded = package(machine.files, words[1].text) is not None if known else False
    state = state.let(_PACKAGE, Value(words[1].text if known else "", known))
    return Ends(state, YES if loaded else UNKNOWN)


def _sections(machine: Machine, state: State) -> tuple[Section, ...] | None:
    name = state.variables.get(_PACKAGE)
    return package(machine.files, name.text) if name is not None and name.known else None


def _option(machine: Machine, state: State, words: list[Value]) -> Value:
    """`VARIABLE SECTION OPTION [DEFAULT]` of config_get and its kin."""
    found = _sections(machine, state)
    default = words[4] if len(words) > 4 else Value("")
    if found is None or not all(word.known for word in words[:4]) or len(words) < 4:
        return Value(f"{words[3].text if len(words) > 3 else 'option'} (setting)", known=False)
    section = pick(found, words[2].text)
    values = section.options.get(words[3].text, []) if section is not None else []
    return Value(" ".join(values), shipped=True) if values else replace(default, shipped=True)


def _get(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call) -> Ends:
    if len(words) < 4:
        return Ends(state, UNKNOWN)
    return Ends(state.let(words[1].text, _option(machine, state, words)))


def _get_bool(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call) -> Ends:
    if len(words) < 4:
        return Ends(state, UNKNOWN)
    value = _option(machine, state, words)
    return Ends(state.let(words[1].text, _as_bool(value, words[4] if len(words) > 4 else Value(""))))


def _as_bool(value: Value, default: Value) -> Value:
    if not value.known:
        return value
    if value.text in _ON:
        return replace(value, text="1")
    return replace(value, text="0" if value.text in _OFF else default.text)


def _each(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call) -> Ends:
    """`config_foreach function [type [arguments]]`."""
    found = _sections(machine, state)
    if len(words) < 2:
        return Ends(state, UNKNOWN)
    kind = words[2].text if len(words) > 2 else ""
    rest = words[3:]
    if found is None:
        guarded = state.guarded(Guard(f"a section {kind or 'of any type'} is configured", None))
        ends = call(machine, [words[1], Value("section", known=False), *rest], guarded, frame)
        return Ends(state if ends.normal is None else replace(ends.normal, guards=state.guards))
    ends = Ends(state)
    for index, section in enumerate(found[:200]):
        if (not kind or section.kind == kind) and ends.normal is not None:
            name = section.name or f"cfg#{index}"
            ends = ends.then(call(machine, [words[1], Value(name, shipped=True), *rest], ends.normal, frame))
    return Ends(ends.normal or state)


def _each_value(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call) -> Ends:
    """`config_list_foreach section option function [arguments]`."""
    if len(words) < 4:
        return Ends(state, UNKNOWN)
    value = _option(machine, state, [words[0], Value(""), words[1], words[2]])
    ends = Ends(state)
    for one in value.text.split() if value.known else ():
        if ends.normal is not None:
            ends = ends.then(call(machine, [words[3], Value(one, shipped=True), *words[4:]], ends.normal, frame))
    return Ends(ends.normal or state)


def _validate(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call) -> Ends:
    """`uci_validate_section package type section name:type:default...`: each name becomes a variable.

    `uci_load_validate` has a function's name before the options, which is then called with the section.
    """
    if len(words) < 4 or not words[1].known:
        return Ends(state, UNKNOWN)
    state = state.let(_PACKAGE, words[1])
    loads = words[0].text == "uci_load_validate"
    for word in words[5 if loads else 4 :]:
        name, _, rest = word.text.partition(":")
        kind, _, default = _last_colon(rest)
        value = _option(machine, state, [word, Value(name), words[3], Value(name), Value(default.strip("\"'"))])
        state = state.let(name, _as_bool(value, Value(default)) if kind == "bool" else value)
    if loads and len(words) > 4:
        return call(machine, [words[4], words[3], Value("0")], state, frame)
    return Ends(state)


def _last_colon(text: str) -> tuple[str, str, str]:
    """Type and default: the colon outside of parentheses parts them."""
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == ":" and depth == 0:
            return text[:index], ":", text[index + 1 :]
    return text, "", ""


def _nothing(machine: Machine, command: Simple, words: list[Value], state: State, frame: Frame, call: Call) -> Ends:
    return Ends(state)


MODELS: dict[str, Model] = {
    **dict.fromkeys(TABLE["without_meaning"], _nothing),
    "start": _start,
    "rc_procd": _procd,
    "procd_open_instance": _open,
    "procd_set_param": _set,
    "procd_append_param": _set,
    "procd_close_instance": _close,
    "service_start": _service_start,
    "config_load": _load,
    "config_get": _get,
    "config_get_bool": _get_bool,
    "config_foreach": _each,
    "config_list_foreach": _each_value,
    "uci_validate_section": _validate,
    "uci_load_validate": _validate,
}
