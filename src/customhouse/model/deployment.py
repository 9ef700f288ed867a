"""How and where a device is used: declared by its user in TOML, or read from the firmware."""

from .base import Model


class ComponentUse(Model, frozen=True, kw_only=True):
    """How the device uses one component. Names are those of the advisories' conditions."""

    component: str
    roles: tuple[str, ...] = ()
    """tls-client, tls-server, dtls, x509-parse, ssh-server, http-client ..."""
    options: dict[str, bool] = {}
    """Build options and features: True present, False absent; what is not listed is unknown."""
    facts: dict[str, bool] = {}
    """Further facts (`host-name-set`, `psk`, `client-key`, `user-trust-anchors`)."""


class Deployment(Model, frozen=True, kw_only=True):
    """A deployment file (see docs). None means not said, and not said is never taken for no."""

    name: str = ""
    source: str = "declared"
    behind_nat: bool | None = None
    upnp: bool | None = None
    ipv6_filtered: bool | None = None
    listeners: tuple[str, ...] | None = None
    """`tcp/443` ...; an empty tuple declares that there are none."""
    downstream_devices: bool | None = None
    local_users: bool | None = None
    single_image_mcu: bool | None = None
    physical_access: bool | None = None
    gateway: bool | None = None
    """The device sits behind a customhouse gateway that enforces its profile."""
    upstream: tuple[str, ...] = ()
    uses: tuple[ComponentUse, ...] = ()
    firmware_date: str = ""
    latest_firmware: str = ""
    support_until: str = ""
