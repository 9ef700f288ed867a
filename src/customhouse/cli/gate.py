"""`customhouse gate`: profiles, and the commands of a running gate.

The gateway is an extra: its libraries are loaded inside the commands, so that an audit works without them.
"""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from customhouse.host.errors import CustomhouseError, InputError, MissingTool

from .values import duration

if TYPE_CHECKING:
    from customhouse.gateway.control.client import GateClient

app = typer.Typer(
    name="gate",
    help="Hold each device to what it declared and its owner approved.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

SOCKET = "/run/customhouse/gate.sock"
SocketOption = Annotated[str, typer.Option("--socket", help="Where the running gate listens.")]
DeviceArgument = Annotated[str, typer.Argument(metavar="DEVICE", help="Hardware address, or the name you gave it.")]


@app.command(epilog="Example: customhouse gate run --config gate.toml")
def run(config: Annotated[Path, typer.Option(help="What to contain, and how (TOML).")]) -> None:
    """Contain the segments that a configuration names, until stopped. Needs root and nftables."""
    from customhouse.app.gate import run_gate  # see the module's docstring

    run_gate(config)


@app.command(epilog="Example: customhouse gate devices")
def devices(socket: SocketOption = SOCKET) -> None:
    """Every device that showed itself: who it says it is, and how it is held."""
    for device in _client(socket).get("/devices"):
        state = f"CUT OFF: {device['quarantined']}" if device["quarantined"] else device["mode"]
        entries = f", {device['entries']} entries" if device["entries"] else ""
        asked = f", {device['open_requests']} open requests" if device["open_requests"] else ""
        called = device["name"] or (f"calls itself {device['claimed']!r}" if device["claimed"] else "unnamed")
        _say(f"{device['id']}  {called}  {state}{entries}{asked}")
        _say(f"    {', '.join(device['addresses']) or 'no address yet'}; since {_when(device['first_seen'])}")
        if device["claimed_url"] and device["claimed_url"] != device["pinned_url"]:
            _say(f"    says its profile is {device['claimed_url']} (not approved)")
        if device["proposed"] is not None:
            count = device["proposed"]
            _say(f"    a profile with {count} entries is proposed: customhouse gate approve {device['id']} --profile")


@app.command(epilog="Example: customhouse gate approve garden-camera cloud.example.org --for 24h")
def approve(
    device: Annotated[str, typer.Argument(metavar="[DEVICE]", help="Hardware address or name.")] = "",
    host: Annotated[str, typer.Argument(metavar="[HOST]", help="A name, an address or a range.")] = "",
    profile: Annotated[bool, typer.Option("--profile", help="Approve the profile that was proposed.")] = False,
    only: Annotated[list[str] | None, typer.Option("--only", help="With --profile: this entry; repeatable.")] = None,
    request: Annotated[int, typer.Option("--request", help="An open request, by its number in `gate blocked`.")] = 0,
    limit: Annotated[str, typer.Option("--for", metavar="TIME", help="How long, such as 1h.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a profile is enforced.")] = False,
    socket: SocketOption = SOCKET,
) -> None:
    """Let a device reach a host, hold it to its proposed profile, or grant an open request."""
    client = _client(socket)
    seconds = duration(limit) if limit else 0
    if request:
        return _say(client.post(f"/requests/{request}/approve", {"seconds": seconds})["text"])
    if not device or not (host or profile):
        raise typer.BadParameter("say DEVICE HOST, DEVICE --profile, or --request NUMBER")
    if profile:
        _show_difference(client.get(f"{_route(device)}/proposal"))
        if not yes and not typer.confirm("Hold the device to this?", err=True):
            raise typer.Exit(1)
    answer = {"host": host, "profile": profile, "only": only or [], "seconds": seconds}
    return _say(client.post(f"{_route(device)}/approve", answer)["text"])


@app.command(epilog="Example: customhouse gate deny garden-camera tracker.example.net")
def deny(device: DeviceArgument, host: str, socket: SocketOption = SOCKET) -> None:
    """Take an approval back, or settle a request with a no."""
    _say(_client(socket).post(f"{_route(device)}/deny", {"text": host})["text"])


@app.command(epilog="Example: customhouse gate learn garden-camera")
def learn(
    device: DeviceArgument,
    stop: Annotated[bool, typer.Option("--stop", help="Hold it again.")] = False,
    socket: SocketOption = SOCKET,
) -> None:
    """Watch a device without holding it to anything, so that a profile can be made of what it does."""
    _say(_client(socket).post(f"{_route(device)}/learn", {"on": not stop})["text"])


@app.command(epilog="Example: customhouse gate quarantine garden-camera 'scans its neighbours'")
def quarantine(
    device: DeviceArgument,
    reason: Annotated[str, typer.Argument(help="For you, later.")] = "its owner said so",
    socket: SocketOption = SOCKET,
) -> None:
    """Cut one device off from everything, at once."""
    _say(_client(socket).post(f"{_route(device)}/quarantine", {"text": reason})["text"])


@app.command(epilog="Example: customhouse gate release garden-camera")
def release(device: DeviceArgument, socket: SocketOption = SOCKET) -> None:
    """Put a device that was cut off back under its profile."""
    _say(_client(socket).post(f"{_route(device)}/release")["text"])


@app.command(epilog="Example: customhouse gate name 02:00:5e:10:00:01 garden-camera")
def name(device: DeviceArgument, new: str, socket: SocketOption = SOCKET) -> None:
    """Call a device something that you will recognise."""
    _say(_client(socket).post(f"{_route(device)}/name", {"text": new})["text"])


@app.command(epilog="Example: customhouse gate blocked garden-camera")
def blocked(
    device: Annotated[str, typer.Argument(metavar="[DEVICE]", help="Only of this device.")] = "",
    socket: SocketOption = SOCKET,
) -> None:
    """Everything that was blocked or asked for and not answered yet, with the command that allows it."""
    for request in _client(socket).get("/blocked", **({"device": device} if device else {})):
        times = "once" if request["times"] == 1 else f"{request['times']} times since {_when(request['first'])}"
        _say(f"{request['device']}  {request['what']} {request['subject']}: {request['detail']} ({times})")
        _say(f"    allow it: {request['undo']}")


@app.command(epilog="Example: customhouse gate why garden-camera cloud.example.org")
def why(device: DeviceArgument, host: str, socket: SocketOption = SOCKET) -> None:
    """Why a device may or may not reach a host, and what stops working."""
    _say(_client(socket).get(f"{_route(device)}/why", host=host)["text"])


@app.command(epilog="Example: customhouse gate profile camera.json --strict")
def profile(
    sources: Annotated[list[str], typer.Argument(metavar="FILE...", help="MUD file, TOML, dossier, captures, or URL.")],
    strict: Annotated[bool, typer.Option("--strict", help="Fail when any part of the source is not carried.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="MUD", help="Write it as a MUD file.")
    ] = None,
    url: Annotated[str, typer.Option(help="MUD URL for -o, where the source names none.")] = "",
    mac: Annotated[str, typer.Option(help="Which device of a capture; found by itself when left out.")] = "",
    signature: Annotated[Path | None, typer.Option(help="Detached CMS signature (DER) of the MUD file.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Authority (PEM) that the signer must chain to.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the profile as JSON.")] = False,
) -> None:
    """Read, check and explain a profile; a linter for makers. Several captures of one device make one profile."""
    work = _profiles()
    found = work.load_profile(sources, mac=mac, signature=signature, authority=ca)
    if as_json:
        sys.stdout.write(work.encoded(found))
    else:
        for line in work.described(found):
            _say(line)
    if strict and found.unsupported:
        raise InputError(
            f"{len(found.unsupported)} parts of the source are not carried: {found.unsupported[0].what}",
            "each is named under `not carried`" if not as_json else "each is named in `unsupported`",
        )
    if output is not None:
        work.save_mud(found, output, url)


@app.command(epilog="Example: customhouse gate plan --config gate.toml --device camera --profile camera.json")
def plan(
    config: Annotated[Path, typer.Option(help="What to contain, and how (TOML).")],
    device: Annotated[str, typer.Option(help="Device whose profile would change.")] = "",
    profile: Annotated[Path | None, typer.Option("--profile", help="The profile it would be held to.")] = None,
) -> None:
    """Show what would change in the kernel, and why, before it is applied. Applies nothing."""
    if (profile is None) != (not device):
        raise typer.BadParameter("--device and --profile go together")
    work = _profiles()
    wanted = work.load_profile([str(profile)]) if profile else None
    try:
        from customhouse.app.gate_plan import plan as planned  # see the module's docstring
    except ImportError as trouble:
        raise MissingTool(f"the gateway's libraries are missing: {trouble.name}", _INSTALL) from trouble
    for line in planned(config, device, wanted):
        _say(line)


@app.command(epilog="Example: customhouse gate propose garden-camera camera.json")
def propose(
    device: DeviceArgument,
    sources: Annotated[list[str], typer.Argument(metavar="FILE...", help="As for `gate profile`: files, or one URL.")],
    signature: Annotated[Path | None, typer.Option(help="Detached CMS signature (DER) of the MUD file.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Authority (PEM) that the signer must chain to.")] = None,
    socket: SocketOption = SOCKET,
) -> None:
    """Propose a profile for a device and show what it would change; `gate approve DEVICE --profile` enforces it."""
    found = _profiles().load_profile(sources, mac="", signature=signature, authority=ca)
    value = json.loads(_profiles().encoded(found))
    _show_difference(_client(socket).post(f"{_route(device)}/proposal", value))


@app.command(epilog="Example: customhouse gate canary --config gate.toml")
def canary(config: Annotated[Path, typer.Option(help="What is contained (TOML).")]) -> None:
    """Prove, from inside a throw-away namespace on each segment, that a stranger gets nowhere. Needs root."""
    try:
        from customhouse.app.gate import fly_canary  # see the module's docstring
    except ImportError as trouble:
        raise MissingTool(f"the gateway's libraries are missing: {trouble.name}", _INSTALL) from trouble
    holes = 0
    for tried, holds, proof in fly_canary(config):
        holes += not holds
        _say(f"{'holds' if holds else 'HOLE '}  {tried}: {proof}")
    if holes:
        raise CustomhouseError(
            f"{holes} holes in the containment", "run `customhouse gate run` anew, and look at its log"
        )


def _profiles() -> Any:
    try:
        from customhouse.app import gate_profile  # see the module's docstring
    except ImportError as trouble:
        raise MissingTool(f"the gateway's libraries are missing: {trouble.name}", _INSTALL) from trouble
    return gate_profile


def _client(socket: str) -> "GateClient":
    try:
        from customhouse.gateway.control.client import GateClient  # see the module's docstring
    except ImportError as trouble:
        raise MissingTool(f"the gateway's libraries are missing: {trouble.name}", _INSTALL) from trouble
    return GateClient(socket)


_INSTALL = "pip install 'customhouse[gateway]'"


def _route(device: str) -> str:
    return f"/devices/{quote(device, safe='')}"


def _show_difference(difference: dict[str, Any]) -> None:
    for sign, lines in (("+", difference["added"]), ("-", difference["removed"]), ("?", difference["unsupported"])):
        for line in lines:
            _say(f"{sign} {line}")
    if not difference["added"] and not difference["removed"]:
        _say("nothing would change")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
