"""One component, many names: package names, purls, CPEs.

And those change: `arm:mbed_tls` became `trustedfirmware:mbed_tls`.
"""

import re
from functools import lru_cache
from importlib import resources

import msgspec

from customhouse.model import Component


class Names(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`names.toml`: CPE `vendor:product` names by component, and other names for components."""

    components: dict[str, tuple[str, ...]]
    aliases: dict[str, str]

    def key(self, vendor: str, product: str) -> str:
        """The component that a CPE's vendor and product mean; `vendor:product` in lower case where none of ours."""
        pair = f"{_plain(vendor)}:{_plain(product)}"
        return self._by_pair.get(pair, pair)

    def component(self, name: str) -> str:
        """Our name of a component that somebody else named."""
        plain = _plain(name)
        return self.aliases.get(plain, plain)

    def known(self, name: str) -> bool:
        return self.component(name) in self.components

    @property
    def _by_pair(self) -> dict[str, str]:
        return _pairs(self)


@lru_cache(maxsize=4)
def _pairs_of(items: tuple[tuple[str, tuple[str, ...]], ...]) -> dict[str, str]:
    return {pair: component for component, pairs in items for pair in pairs}


def _pairs(names: Names) -> dict[str, str]:
    return _pairs_of(tuple(names.components.items()))


def _plain(name: str) -> str:
    return re.sub(r"\s+", "_", name.replace("\\", "").strip().lower())


@lru_cache(maxsize=1)
def names() -> Names:
    """The table that ships with the package."""
    text = resources.files(__package__).joinpath("names.toml").read_text(encoding="utf-8")
    return msgspec.toml.decode(text, type=Names)


def split_cpe(cpe: str) -> tuple[str, str, str] | None:
    """Part, vendor and product of a CPE 2.3 formatted string or 2.2 URI, unescaped; None when it is neither."""
    if cpe.startswith("cpe:2.3:"):
        fields = re.split(r"(?<!\\):", cpe)[2:]
    elif cpe.startswith("cpe:/"):
        fields = cpe[5:].split(":")
    else:
        return None
    if len(fields) < 3:
        return None
    return fields[0], fields[1].replace("\\", ""), fields[2].replace("\\", "")


def keys_of(component: Component) -> tuple[str, ...]:
    """Everything that records may call a component: its name and what its CPEs mean."""
    table = names()
    keys = [table.component(component.name)]
    for cpe in component.cpes:
        if parts := split_cpe(cpe):
            keys.append(table.key(parts[1], parts[2]))
    return tuple(dict.fromkeys(keys))
