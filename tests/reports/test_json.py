import jsonschema
import msgspec

from customhouse.model import Dossier
from customhouse.reports import json


def test_the_json_is_valid_against_the_published_schema(dossier: Dossier) -> None:
    document = msgspec.json.decode(json.render(dossier))
    validator = jsonschema.Draft202012Validator(json.schema())
    validator.check_schema(json.schema())
    validator.validate(document)


def test_the_schema_refuses_a_dossier_without_a_verdict(dossier: Dossier) -> None:
    document = msgspec.json.decode(json.render(dossier))
    del document["verdict"]
    assert not jsonschema.Draft202012Validator(json.schema()).is_valid(document)


def test_nothing_is_lost_on_the_way_out_and_in(dossier: Dossier) -> None:
    assert msgspec.json.decode(json.render(dossier), type=Dossier) == dossier
