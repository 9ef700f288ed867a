"""A supplier's list of components, in whichever of the standard forms it comes."""

import re
from collections.abc import Mapping

from customhouse.host.errors import InputError
from customhouse.model import Component

from . import cyclonedx, spdx

_LARGEST = 128 << 20
_HINT = "CycloneDX (JSON, XML) and SPDX 2 (JSON, tag-value) are read."


def read_sbom(data: bytes, name: str = "the SBOM") -> tuple[Component, ...]:
    """Components that a CycloneDX or SPDX document lists, in its order.

    Raises `InputError` for anything else, with `name` (a file name) in its one line.
    """
    if len(data) > _LARGEST:
        raise InputError(f"{name}: an SBOM of {len(data) >> 20} MB is larger than any device needs", hint=_HINT)
    try:
        return _read(data.removeprefix(b"\xef\xbb\xbf"))
    except InputError as error:
        raise InputError(f"{name}: {error}", hint=error.hint or _HINT) from error


def _read(data: bytes) -> tuple[Component, ...]:
    start = data.lstrip()[:1]
    if start == b"<":
        return cyclonedx.from_xml(data)
    if start == b"{":
        document = cyclonedx.parsed(data)
        if isinstance(document, Mapping) and document.get("bomFormat") == "CycloneDX":
            return cyclonedx.read_json(document)
        if isinstance(document, Mapping) and str(document.get("spdxVersion", "")).startswith("SPDX-2"):
            return spdx.read_json(document)
        raise InputError("the JSON document is neither CycloneDX nor SPDX 2")
    if re.search(rb"(?m)^SPDXVersion:\s*SPDX-2", data[:65536]):
        return spdx.read_tag_value(data.decode("utf-8", "replace"))
    raise InputError("this is no SBOM in a form that is known")
