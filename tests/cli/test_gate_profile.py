"""`gate profile` as a maker meets it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("dpkt")
pytest.importorskip("pyroute2")

from tests.gateway.profile.test_mud import HTTPS, ace, mud

from customhouse.cli.gate import app
from customhouse.host.errors import InputError

TOML = 'name = "lamp"\n[[to]]\nhost = "cloud.example"\ntcp = 443\n'


def test_a_sound_file_is_explained_and_passes_strict(tmp_path: Path) -> None:
    (tmp_path / "lamp.json").write_bytes(mud(ace(HTTPS)))
    done = CliRunner().invoke(app, ["profile", str(tmp_path / "lamp.json"), "--strict"])
    assert done.exit_code == 0
    assert "tcp 443 to cloud.maker.example" in done.stdout


def test_strict_fails_on_what_is_not_carried_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "lamp.json").write_bytes(mud(ace(HTTPS), colour="red"))
    assert CliRunner().invoke(app, ["profile", str(tmp_path / "lamp.json")]).exit_code == 0
    done = CliRunner().invoke(app, ["profile", str(tmp_path / "lamp.json"), "--strict"])
    assert isinstance(done.exception, InputError)
    assert "colour" in done.stdout


def test_toml_is_written_as_mud_in_the_final_form(tmp_path: Path) -> None:
    (tmp_path / "lamp.toml").write_text(TOML)
    target = tmp_path / "lamp.json"
    done = CliRunner().invoke(
        app, ["profile", str(tmp_path / "lamp.toml"), "-o", str(target), "--url", "https://maker.example/lamp"]
    )
    assert done.exit_code == 0, done.exception
    assert "ietf-access-control-list:acls" in json.loads(target.read_text())
    assert CliRunner().invoke(app, ["profile", str(target), "--strict"]).exit_code == 0


def test_json_output_is_the_profile(tmp_path: Path) -> None:
    (tmp_path / "lamp.toml").write_text(TOML)
    done = CliRunner().invoke(app, ["profile", str(tmp_path / "lamp.toml"), "--json"])
    assert json.loads(done.stdout)["aces"][0]["peer"] == {"kind": "dns-name", "value": "cloud.example", "within": ""}


@pytest.mark.parametrize("name", ["missing.json", "empty.json"])
def test_what_cannot_be_read_is_one_clear_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.json").write_bytes(b"{}")
    done = CliRunner().invoke(app, ["profile", str(tmp_path / name)])
    assert isinstance(done.exception, InputError)
    assert name in str(done.exception)


def test_a_plan_says_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "gate.toml"
    config.write_text(
        f'state = "{tmp_path}/none.sqlite"\n[[segments]]\ninterface = "br0"\nports = ["lan1"]\n'
        'addresses = ["192.168.7.1/24", "fd00:7::1/64"]\n'
    )
    done = CliRunner().invoke(app, ["plan", "--config", str(config)])
    assert done.exit_code == 0, done.exception
    assert "+ bridge: contained port lan1" in done.stdout
    assert not (tmp_path / "none.sqlite").exists()
