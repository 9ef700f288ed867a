"""The canary sings when the cage is whole, and says where it is open."""

import pytest
from tests.gateway.house.conftest import Gateway
from tests.gateway.house.test_containment import hold
from tests.gateway.house.world import SEGMENT, World, device

from customhouse.gateway.control.canary import fly
from customhouse.host.errors import MissingTool

pytestmark = pytest.mark.namespaces


def test_a_whole_house_holds_a_stranger(world: World, gateway: Gateway) -> None:
    world.listen("gw", 8080)
    intent = hold(gateway, device("a", 1))
    with world.inside("gw"):
        findings = fly(SEGMENT)
    assert [finding for finding in findings if not finding.holds] == []
    assert len(findings) >= 7
    assert gateway.drift(intent.ruleset) == ()
    assert "canary" not in world.run("gw", "ip", "-br", "link")


def test_a_hole_is_named(world: World, gateway: Gateway) -> None:
    world.listen("gw", 8080)
    hold(gateway, device("a", 1))
    world.run("gw", "nft", "insert", "rule", "inet", "customhouse", "arriving", "accept")
    world.run("gw", "nft", "insert", "rule", "inet", "customhouse", "from_device", "accept")
    with world.inside("gw"):
        findings = fly(SEGMENT)
    holes = {finding.tried for finding in findings if not finding.holds}
    assert "a stranger to the gateway 192.168.77.1" in holes
    assert "a stranger to the world, IPv6 udp" in holes


def test_without_a_ruleset_it_says_what_is_missing(world: World) -> None:
    with world.inside("gw"), pytest.raises(MissingTool, match="no ruleset"):
        fly(SEGMENT)
