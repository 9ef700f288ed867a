"""The dossier itself, for scripts. Its schema is what `customhouse schema` prints."""

from typing import Any

import msgspec

from customhouse.model import Dossier


def render(dossier: Dossier) -> str:
    """Indented JSON, fields in the order of the nouns, one trailing newline."""
    return msgspec.json.format(msgspec.json.encode(dossier), indent=1).decode() + "\n"


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the dossier."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Dossier)}
