from hypothesis import given
from hypothesis import strategies as st

from customhouse.gateway.arrival.igd import SERVICE, description, soap_answer, ssdp_answer
from customhouse.gateway.arrival.portmap import PortRequest

WISH = (
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    f'<u:AddPortMapping xmlns:u="{SERVICE}"><NewRemoteHost/><NewExternalPort>8554</NewExternalPort>'
    "<NewProtocol>TCP</NewProtocol><NewInternalPort>554</NewInternalPort><NewInternalClient>192.168.20.9"
    "</NewInternalClient><NewEnabled>1</NewEnabled><NewPortMappingDescription>cam</NewPortMappingDescription>"
    "<NewLeaseDuration>0</NewLeaseDuration></u:AddPortMapping></s:Body></s:Envelope>"
)
ACTION = f'"{SERVICE}#AddPortMapping"'


def test_a_wish_for_a_port_is_refused_in_words_the_device_knows_and_told() -> None:
    status, body, request = soap_answer(ACTION, WISH.encode())
    assert status.startswith("500")
    assert "<errorCode>606</errorCode>" in body
    assert request == PortRequest("tcp", 554, 8554, 0, "UPnP")


def test_a_document_type_is_not_read() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]>' + WISH.encode()
    assert soap_answer(ACTION, bomb).request is None


def test_another_action_wants_nothing() -> None:
    assert soap_answer(f'"{SERVICE}#GetExternalIPAddress"', WISH.encode()).request is None


def test_a_search_for_a_gateway_is_answered_and_another_is_not() -> None:
    search = b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nST: %s\r\n\r\n'
    answer = ssdp_answer(search % SERVICE.encode(), "http://192.168.20.1:49000/igd.xml", "u")
    assert answer is not None and b"LOCATION: http://192.168.20.1:49000/igd.xml\r\n" in answer
    assert ssdp_answer(search % b"urn:dial-multiscreen-org:service:dial:1", "http://x/", "u") is None


def test_the_description_names_the_service_that_was_searched() -> None:
    assert SERVICE in description("u")


@given(st.binary(max_size=3000))
def test_any_bytes_are_survived(data: bytes) -> None:
    ssdp_answer(data, "http://192.168.20.1/", "u")
    soap_answer(ACTION, data)
    soap_answer(data.decode("latin-1"), WISH.encode())
