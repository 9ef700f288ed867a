"""What is known of how a device uses a component, and where each piece of it was read.

Declared facts (the deployment file) and facts read from the firmware meet here. What neither says is unknown.
"""

import datetime
from collections.abc import Sequence

from customhouse.model import ComponentUse, Deployment, Fact, Model

from .words import USE, Words, words


class Seen(Model, frozen=True, kw_only=True):
    """What the firmware itself shows of one component."""

    component: str
    source: str = "firmware"
    sides: frozenset[str] = frozenset()
    """`server` where boot starts it and it waits for the network, `client` where it is a client by nature and boot
    starts it. Empty: nothing was seen to start it, which is not proof that nothing does."""
    starts_if: str = ""
    """Something starts it under a condition that could not be decided: the source text of the condition."""
    library: bool = False
    """A library, a distribution, or part of a microcontroller's one program: it runs in whatever uses it."""
    started_by: str = ""
    ports: tuple[str, ...] = ()
    """`tcp/80`, of services at boot."""
    applets: frozenset[str] | None = None
    """Applets that a multi-call program carries; None: not known."""
    applets_run: frozenset[str] = frozenset()
    """Of those, the ones that boot starts."""
    applets_if: frozenset[str] = frozenset()
    """Of those, the ones that something starts under a condition, which need not hold as shipped."""
    called: frozenset[str] | None = None
    """Functions that the device's programs import; None: not known for all of them."""
    built: datetime.date | None = None
    """The latest day on which the image can have been made, by its own headers."""
    facts: dict[str, bool] = {}
    facts_from: dict[str, str] = {}
    """Where a fact was read; `source` where it is not named."""


class Known(Model, frozen=True, kw_only=True):
    """One answer: `value` None is "unknown"."""

    value: bool | None
    source: str = ""
    absent: bool = False
    """False because the code does not exist in this version."""


class Situation(Model, frozen=True, kw_only=True):
    """Everything known of one component on one device."""

    component: str
    version: str
    deployment: Deployment
    use: ComponentUse | None = None
    seen: Seen | None = None

    @property
    def complete(self) -> bool:
        """The declared roles and uses are all there are."""
        return bool(self.use and self.use.facts.get("roles-complete"))

    @property
    def sides(self) -> frozenset[str]:
        """`client`, `server`, `parser`, `app` and `local`, as declared."""
        found: set[str] = set()
        for role in self.use.roles if self.use else ():
            if role in ("both", "local", "app"):
                found |= {"client", "server"} if role == "both" else {role}
            elif role.endswith("client"):
                found.add("client")
            elif role.endswith(("server", "access-point")):
                found.add("server")
            elif role.endswith(("parse", "parser")):
                found.add("parser")
            elif role == "crypto-api":
                found.add("app")
        return frozenset(found)

    def known(self, name: str, vocabulary: Words | None = None) -> Known:
        """Whether the fact or option `name` holds."""
        table = vocabulary or words()
        since = table.absent_from(self.component, self.version, name)
        if since:
            return Known(value=False, source=f"version: it came with {since}", absent=True)
        declared = self._declared(name)
        if declared is not None:
            return Known(value=declared, source=self.deployment.source)
        if self.seen and name in self.seen.facts:
            return Known(value=self.seen.facts[name], source=self.seen.facts_from.get(name, self.seen.source))
        if self.use and self.use.facts.get("default-configuration"):
            if table.off_by_default(self.component, self.version, name):
                return Known(value=False, source="default configuration")
            if name.isupper():
                return Known(value=True, source="default configuration")
        if self.complete and table.kind(name) == USE:
            return Known(value=False, source=f"{self.deployment.source}: roles and uses are declared complete")
        return Known(value=None)

    def _declared(self, name: str) -> bool | None:
        if name == "local-users":
            return self.deployment.local_users
        if name == "listening-service" and self.deployment.listeners is not None:
            return bool(self.deployment.listeners)
        if name == "linux" and self.deployment.single_image_mcu:
            return False
        if self.use is None:
            return None
        if name in self.use.options or name in self.use.facts:
            return self.use.options.get(name, self.use.facts.get(name))
        if name == "dtls" and any(role.startswith("dtls") for role in self.use.roles):
            return True
        return None


def situation_of(component: str, version: str, deployment: Deployment | None, seen: Sequence[Seen] = ()) -> Situation:
    """Join what was declared and what was seen for one component."""
    deployment = deployment or Deployment()
    return Situation(
        component=component,
        version=version,
        deployment=deployment,
        use=next((use for use in deployment.uses if use.component == component), None),
        seen=next((item for item in seen if item.component == component), None),
    )


def fact(text: str, source: str) -> Fact:
    return Fact(fact=text, source=source)
