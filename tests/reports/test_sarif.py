import json
from pathlib import Path

import jsonschema
import pytest

from customhouse.model import Dossier
from customhouse.reports import sarif

SCHEMA = Path(__file__).parents[1] / "schemas/sarif-2.1.0-rtm.5.json"


@pytest.fixture
def validator() -> jsonschema.Draft4Validator:
    return jsonschema.Draft4Validator(json.loads(SCHEMA.read_text("utf-8")))


def test_the_log_validates(dossier: Dossier, validator: jsonschema.Draft4Validator) -> None:
    validator.validate(json.loads(sarif.render(dossier)))


def test_a_result_points_into_the_image(dossier: Dossier) -> None:
    [run] = json.loads(sarif.render(dossier))["runs"]
    location = run["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "etc/init.d/S50telnet"
    assert location["region"]["byteOffset"] == 31
    assert run["tool"]["driver"]["rules"][run["results"][0]["ruleIndex"]]["id"] == "boot.telnet"


def test_the_validator_can_fail(dossier: Dossier, validator: jsonschema.Draft4Validator) -> None:
    log = json.loads(sarif.render(dossier))
    log["runs"][0]["results"][0]["level"] = "dreadful"
    assert not validator.is_valid(log)
