"""How checks about services put things: what is started, by whom, on which port, for whom."""

from customhouse.model import Confidence, Service


def chain(service: Service) -> str:
    """`/etc/inittab → /etc/init.d/rcS → /usr/sbin/telnetd -l /bin/sh`."""
    command = " ".join((service.program, *service.arguments))
    return " → ".join((*service.started_by, command))[:400]


def where(service: Service) -> str:
    """` on tcp/23`, or nothing when the port is not known."""
    return f" on {', '.join(f'{port.protocol}/{port.number}' for port in service.ports)}" if service.ports else ""


def condition(service: Service) -> str:
    """A sentence about the tests that guard the start, empty when there are none."""
    if not service.condition:
        return ""
    says = {
        True: "It holds in the image as shipped",
        False: "It does not hold in the image as shipped",
        None: "Whether it holds cannot be told from the image",
    }
    return f" Condition: {service.condition[:300]}. {says[service.condition_holds]}."


def possible(service: Service) -> bool:
    """Something may start it, under a condition that the image does not decide."""
    return not service.at_boot and bool(service.started_by) and service.condition_holds is None


def sureness(service: Service) -> Confidence:
    """A start without a condition is certain; one whose condition holds as shipped can be changed by its owner."""
    return Confidence.HIGH if not service.condition else Confidence.MEDIUM


def is_open(service: Service) -> bool:
    """Starts by itself, and other machines can reach it."""
    return service.at_boot and service.network_facing
