"""UPnP Internet Gateway Device: found by SSDP, asked by SOAP, and every wish for an open port refused. Pure.

Source: UPnP Device Architecture 1.1 (sections 1.3, 2, 3) and WANIPConnection:1. Only what is needed for a device to
find the gateway, ask, and be told no in words that it understands (error 606, "Action not authorized").
"""

import re
from typing import NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .portmap import PortRequest

SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
DEVICE = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
BODY_MOST = 8192
_SEARCHED = ("ssdp:all", "upnp:rootdevice", DEVICE, SERVICE)
_ACTION = re.compile(r'"?urn:schemas-upnp-org:service:WAN(?:IP|PPP)Connection:[12]#(\w{1,40})"?')
_ENVELOPE = (
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>{}</s:Body></s:Envelope>'
)


class Reply(NamedTuple):
    """An HTTP answer, and what was asked for, if anything."""

    status: str
    body: str
    request: PortRequest | None = None


def ssdp_answer(packet: bytes, location: str, uuid: str) -> bytes | None:
    """To one datagram on port 1900; None unless it searches for a gateway."""
    text = packet[:2048].decode("latin-1")
    first, _, rest = text.partition("\r\n")
    if not first.startswith("M-SEARCH * HTTP/1."):
        return None
    headers = {name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in rest.split("\r\n"))}
    target = headers.get("st", "")
    if headers.get("man", "").strip('"') != "ssdp:discover" or target not in _SEARCHED:
        return None
    found = DEVICE if target == "ssdp:all" else target
    return (
        f"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {found}\r\nUSN: uuid:{uuid}::{found}\r\nEXT:\r\n"
        f"SERVER: Linux UPnP/1.1 customhouse\r\nLOCATION: {location}\r\n\r\n"
    ).encode("ascii")


def description(uuid: str) -> str:
    """The device description that `location` leads to."""
    return (
        '<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major>'
        f"<minor>1</minor></specVersion><device><deviceType>{DEVICE}</deviceType><friendlyName>Customhouse gateway"
        "</friendlyName><manufacturer>Customhouse</manufacturer><modelName>Customhouse</modelName>"
        f"<UDN>uuid:{escape(uuid)}</UDN><serviceList><service><serviceType>{SERVICE}</serviceType>"
        "<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><SCPDURL>/scpd.xml</SCPDURL>"
        "<controlURL>/control</controlURL><eventSubURL>/events</eventSubURL></service></serviceList></device></root>"
    )


def soap_answer(action_header: str, body: bytes) -> Reply:
    """To a POST on the control URL. Any bytes give a reply; only a well-formed AddPortMapping gives a request."""
    match = _ACTION.fullmatch(action_header.strip())
    if match is None or len(body) > BODY_MOST:
        return Reply("500 Internal Server Error", _fault(401, "Invalid Action"))
    action = match.group(1)
    if action in ("AddPortMapping", "AddAnyPortMapping"):
        request = _request(body)
        if request is None:
            return Reply("500 Internal Server Error", _fault(402, "Invalid Args"))
        return Reply("500 Internal Server Error", _fault(606, "Action not authorized"), request)
    if action == "DeletePortMapping":
        return Reply("500 Internal Server Error", _fault(714, "NoSuchEntryInArray"))
    return Reply("500 Internal Server Error", _fault(606, "Action not authorized"))


def _request(body: bytes) -> PortRequest | None:
    if b"<!" in body:  # a document type or an entity has no place here, and can blow up
        return None
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 – no entities, and at most BODY_MOST bytes
    except (ElementTree.ParseError, ValueError):
        return None
    values = {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root.iter()}
    try:
        inside, outside = int(values["NewInternalPort"]), int(values.get("NewExternalPort") or 0)
        lifetime = int(values.get("NewLeaseDuration") or 0)
    except (KeyError, ValueError):
        return None
    protocol = values.get("NewProtocol", "").lower()
    if protocol not in ("tcp", "udp") or not 0 < inside < 65536 or not 0 <= outside < 65536 or lifetime < 0:
        return None
    return PortRequest(protocol, inside, outside, min(lifetime, 0xFFFFFFFF), "UPnP")


def _fault(code: int, text: str) -> str:
    return _ENVELOPE.format(
        "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
        f'<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>{code}</errorCode>'
        f"<errorDescription>{text}</errorDescription></UPnPError></detail></s:Fault>"
    )
