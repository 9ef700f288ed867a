"""The gate's HTTP/JSON API, for the command line and later the web page. Listens on a Unix socket only.

Who may open the socket may command the gate: its file belongs to us, mode 0600.
"""

from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from customhouse.host.errors import CustomhouseError, InputError
from customhouse.model import DeviceProfile, Model

from .gate import Gate
from .views import DeviceView, ProposalView, RequestView, device_views, difference_view, request_views


class Said(Model, frozen=True, kw_only=True):
    """What a command did, in words for the owner."""

    text: str


class Approve(Model, frozen=True, kw_only=True):
    """`host`, or `profile` with the names of entries in `only` (empty: all). `seconds` 0: until taken back."""

    host: str = ""
    profile: bool = False
    only: tuple[str, ...] = ()
    seconds: float = 0


class Words(Model, frozen=True, kw_only=True):
    """A host, a name or a reason, as the command needs it."""

    text: str


class Switch(Model, frozen=True, kw_only=True):
    on: bool


def application(gate: Gate) -> Litestar:
    """The routes of one gate."""
    return Litestar(
        route_handlers=[*_questions(gate), *_permissions(gate), *_measures(gate)],
        exception_handlers={CustomhouseError: _told, ValueError: _told},
        openapi_config=None,
        request_max_body_size=4 << 20,
    )


def _questions(gate: Gate) -> list[HTTPRouteHandler]:
    @get("/devices", sync_to_thread=False)
    def devices() -> list[DeviceView]:
        return device_views(gate)

    @get("/blocked", sync_to_thread=False)
    def blocked(device: FromQuery[str] = "") -> list[RequestView]:
        return request_views(gate, gate.state.find(device).id if device else None)

    @get("/devices/{device:str}/why", sync_to_thread=False)
    def why(device: FromPath[str], host: FromQuery[str]) -> dict[str, Any]:
        explained = gate.explain(device, host)
        return {"allowed": explained.allowed, "text": explained.text, "times": explained.times}

    @get("/devices/{device:str}/proposal", sync_to_thread=False)
    def proposal(device: FromPath[str]) -> ProposalView:
        record = gate.state.find(device)
        proposed = gate.state.profiles("proposed", record.id).get(record.id)
        if proposed is None:
            raise InputError(f"{device} has proposed no profile", "`customhouse gate learn` or a MUD file makes one")
        return difference_view(gate.state.profiles("approved", record.id).get(record.id), proposed)

    return [devices, blocked, why, proposal]


def _permissions(gate: Gate) -> list[HTTPRouteHandler]:
    @post("/devices/{device:str}/proposal", sync_to_thread=False, status_code=200)
    def propose(device: FromPath[str], data: JSONBody[DeviceProfile]) -> ProposalView:
        record = gate.propose(device, data)
        return difference_view(gate.state.profiles("approved", record.id).get(record.id), data)

    @post("/devices/{device:str}/approve", status_code=200)
    async def approve(device: FromPath[str], data: JSONBody[Approve]) -> Said:
        if data.profile:
            return Said(text=await gate.approve_profile(device, data.only))
        if not data.host:
            raise InputError("nothing to approve", "name a host, or say --profile")
        return Said(text=await gate.approve_host(device, data.host, data.seconds or None))

    @post("/requests/{number:int}/approve", status_code=200)
    async def approve_request(number: FromPath[int], data: JSONBody[Approve]) -> Said:
        return Said(text=await gate.approve_request(number, data.seconds or None))

    @post("/devices/{device:str}/deny", status_code=200)
    async def deny(device: FromPath[str], data: JSONBody[Words]) -> Said:
        return Said(text=await gate.deny(device, data.text))

    return [propose, approve, approve_request, deny]


def _measures(gate: Gate) -> list[HTTPRouteHandler]:
    @post("/devices/{device:str}/learn", status_code=200)
    async def learn(device: FromPath[str], data: JSONBody[Switch]) -> Said:
        return Said(text=await gate.set_learning(device, data.on))

    @post("/devices/{device:str}/quarantine", status_code=200)
    async def quarantine(device: FromPath[str], data: JSONBody[Words]) -> Said:
        return Said(text=await gate.quarantine(device, data.text))

    @post("/devices/{device:str}/release", status_code=200)
    async def release(device: FromPath[str]) -> Said:
        return Said(text=await gate.release(device))

    @post("/devices/{device:str}/name", sync_to_thread=False, status_code=200)
    def name(device: FromPath[str], data: JSONBody[Words]) -> Said:
        return Said(text=gate.rename(device, data.text))

    return [learn, quarantine, release, name]


def _told(_request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, str]]:
    return Response({"error": str(error), "hint": getattr(error, "hint", "")}, status_code=400)
