"""Reading a deployment file: how a device is used, said by its user (docs/guides/deployment.md).

What is not said stays unknown; nothing is taken for "no". Unknown keys are errors, since a misspelt fact would
silently leave a question open.
"""

import datetime
import re
from collections.abc import Callable

import msgspec

from customhouse.model import ComponentUse, Deployment

from .words import words

_LISTENER = re.compile(r"(tcp|udp)/\d{1,5}")


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Device(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    single_image_mcu: bool | None = None
    local_users: bool | None = None
    physical_access: bool | None = None


class _Network(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    behind_nat: bool | None = None
    upnp: bool | None = None
    ipv6_filtered: bool | None = None
    listeners: tuple[str, ...] | None = None
    downstream_devices: bool | None = None
    upstream: tuple[str, ...] = ()
    gateway: bool | None = None


class _Firmware(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    date: datetime.date | None = None
    latest: datetime.date | None = None
    support_until: datetime.date | None = None


class _Component(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    roles: tuple[str, ...] = ()
    complete: bool = False
    configuration: str = ""
    config_file: str = ""
    tls_versions: tuple[str, ...] = ()
    options: dict[str, bool] = {}
    facts: dict[str, bool] = {}


class _File(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str = ""
    device: _Device = _Device()
    network: _Network = _Network()
    firmware: _Firmware = _Firmware()
    component: tuple[_Component, ...] = ()


def parse_deployment(
    text: str, source: str = "deployment file", read_file: Callable[[str], str] | None = None
) -> Deployment:
    """Read a deployment file. Raises ValueError with one line that names the place.

    `read_file` gives the text of a build configuration that a component names as `config_file`.
    """
    try:
        read = msgspec.toml.decode(text, type=_File)
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"not a deployment file: {error}") from None
    for listener in read.network.listeners or ():
        if not _LISTENER.fullmatch(listener):
            raise ValueError(f"not a deployment file: a listener is written tcp/443 or udp/53, not {listener!r}")
    return Deployment(
        name=read.name,
        source=source,
        behind_nat=read.network.behind_nat,
        upnp=read.network.upnp,
        ipv6_filtered=read.network.ipv6_filtered,
        listeners=read.network.listeners,
        downstream_devices=read.network.downstream_devices,
        local_users=read.device.local_users,
        single_image_mcu=read.device.single_image_mcu,
        physical_access=read.device.physical_access,
        gateway=read.network.gateway,
        upstream=read.network.upstream,
        uses=tuple(_use(item, read_file) for item in read.component),
        firmware_date=str(read.firmware.date or ""),
        latest_firmware=str(read.firmware.latest or ""),
        support_until=str(read.firmware.support_until or ""),
    )


def _use(item: _Component, read_file: Callable[[str], str] | None) -> ComponentUse:
    for role in item.roles:
        if role not in words().roles:
            raise ValueError(
                f"not a deployment file: {item.name} has no role {role!r}; roles are {', '.join(words().roles)}"
            )
    facts = dict(item.facts)
    if item.complete:
        facts["roles-complete"] = True
    if item.configuration:
        if item.configuration != "default":
            raise ValueError(
                f"not a deployment file: configuration of {item.name} is {item.configuration!r}; "
                'only "default" is known'
            )
        facts["default-configuration"] = True
    if item.tls_versions:
        facts["tls13"] = "1.3" in item.tls_versions
        facts["tls13-only"] = item.tls_versions == ("1.3",)
    built: dict[str, bool] = {}
    if item.config_file:
        if read_file is None:
            raise ValueError(f"not a deployment file: {item.name} names {item.config_file}, which cannot be read here")
        built = parse_build_configuration(read_file(item.config_file))
    return ComponentUse(component=item.name, roles=item.roles, options={**built, **item.options}, facts=facts)


def parse_build_configuration(text: str) -> dict[str, bool]:
    """Options of a C configuration header (`mbedtls_config.h`) or a Kconfig file (`.config`): True where set.

    A macro that the header shows commented out (`//#define X`) is stated to be off; what is not named stays unknown.
    """
    found: dict[str, bool] = {}
    text = re.sub(r"/\*.*?\*/", lambda hit: "\n" * hit[0].count("\n"), text, flags=re.S)
    for line in text.splitlines():
        if hit := re.match(r"\s*(//\s*)?#\s*define\s+(\w+)", line):
            if not hit[1]:
                found[hit[2]] = True
            else:
                found.setdefault(hit[2], False)
        elif hit := re.match(r"\s*#\s*undef\s+(\w+)", line):
            found[hit[1]] = False
        elif hit := re.match(r"CONFIG_(\w+)=(\S+)", line):
            found[hit[1]] = hit[2] != "n"
        elif hit := re.match(r"# CONFIG_(\w+) is not set", line):
            found[hit[1]] = False
    return found
