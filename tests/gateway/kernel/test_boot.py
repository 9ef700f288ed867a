"""What stands before the network comes up."""

import configparser
import shutil
import subprocess
from importlib.resources import files

import pytest

from customhouse.gateway.ruleset.chains import HOOKS

FOLDER = files("customhouse.gateway.kernel")


def unit(name: str) -> configparser.ConfigParser:
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment, method-assign]  # systemd's keys have capitals
    read.read_string(FOLDER.joinpath(name).read_text())
    return read


def test_the_drop_table_is_loaded_before_any_interface_comes_up() -> None:
    drop = unit("customhouse-drop.service")
    assert "network-pre.target" in drop["Unit"]["Before"].split()
    assert "network-pre.target" in drop["Unit"]["Wants"].split()
    assert drop["Unit"]["DefaultDependencies"] == "no"
    assert "boot.nft" in drop["Service"]["ExecStart"]


def test_the_gate_needs_the_drop_table_and_comes_back_by_itself() -> None:
    gate = unit("customhouse-gate.service")
    assert "customhouse-drop.service" in gate["Unit"]["Requires"].split()
    assert "customhouse-drop.service" in gate["Unit"]["After"].split()
    assert gate["Service"]["Restart"] == "always"


def test_the_drop_table_forwards_nothing_and_takes_names_that_the_ruleset_takes_over() -> None:
    text = FOLDER.joinpath("boot.nft").read_text()
    assert text.count("policy drop") == 2
    for family in HOOKS:
        assert f"table {family} customhouse" in text
    assert "accept" not in text


@pytest.mark.namespaces
def test_nft_takes_the_drop_table() -> None:
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed")
    text = FOLDER.joinpath("boot.nft").read_text()
    checked = subprocess.run(["nft", "-c", "-f", "-"], input=text, capture_output=True, text=True, check=False)
    if "not permitted" in checked.stderr:
        pytest.skip("nftables needs root")
    assert checked.returncode == 0, checked.stderr
