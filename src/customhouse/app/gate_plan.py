"""`customhouse gate plan`: what the kernel would be told, and why, before anything is applied."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from customhouse.gateway.control.config import GateConfig, read_config
from customhouse.gateway.control.intent import Memory, device_of, house_of
from customhouse.gateway.control.state import State
from customhouse.gateway.profile.explain import ace_text
from customhouse.gateway.ruleset.compile import Delta, compile_ruleset, diff
from customhouse.gateway.ruleset.explain import described_changes
from customhouse.gateway.ruleset.house import Device, House
from customhouse.model.profile import Ace, DeviceProfile


def plan(config_path: Path, device: str = "", profile: DeviceProfile | None = None) -> Iterator[str]:
    """Lines that say what would change. Without a device: from an empty kernel to all that is remembered.

    With `device` and `profile`: what holding that device to that profile would change. Nothing is applied or kept.
    """
    config = read_config(config_path)
    house, record_id, proposed = _houses(config, device, profile)
    if proposed is None:
        yield f"would hold {len(house.devices)} devices on {', '.join(s.interface for s in house.segments)}"
        yield from _lines(msgspec.structs.replace(house, segments=(), devices=(), names=()), house)
        return
    before = next((d for d in house.devices if d.id == record_id), None)
    after = next(d for d in proposed.devices if d.id == record_id)
    yield from _why(before, after)
    yield from _lines(house, proposed)


def _houses(config: GateConfig, word: str, profile: DeviceProfile | None) -> tuple[House, str, House | None]:
    path = Path(config.state)
    if not path.is_file():
        return house_of(config, Memory()), "", None
    state = State(path)
    try:
        now = time.time()
        memory = Memory(
            devices=tuple(state.devices()),
            addresses=state.addresses(),
            profiles=state.profiles(),
            approvals=tuple(state.approvals(now)),
            learned=tuple(state.learned(now)),
            quarantined=frozenset(state.quarantines()),
        )
        house = house_of(config, memory)
        if not word or profile is None:
            return house, "", None
        record = state.find(word)
        held = record._replace(mode="enforced")
        changed = device_of(
            config,
            held,
            profile=profile,
            approved=[a.ace for a in memory.approvals if a.device == record.id],
            addresses=[address for address, owner in memory.addresses.items() if owner == record.id],
            quarantined=record.id in memory.quarantined,
        )
        devices = tuple(changed if d.id == record.id else d for d in house.devices)
        return house, record.id, msgspec.structs.replace(house, devices=devices)
    finally:
        state.close()


def _lines(old: House, new: House) -> Iterator[str]:
    delta: Delta = diff(compile_ruleset(old), compile_ruleset(new))
    yield from described_changes(delta, new)


def _why(before: Device | None, after: Device) -> Iterator[str]:
    """The entries behind the elements."""

    def meanings(aces: tuple[Ace, ...]) -> dict[str, None]:
        return dict.fromkeys(ace_text(ace) for ace in aces)

    old, new = meanings(before.aces if before else ()), meanings(after.aces)
    for sign, lines in (("+", [t for t in new if t not in old]), ("-", [t for t in old if t not in new])):
        yield from (f"{sign} {after.id} {line}" for line in lines)
    if list(old) == list(new):
        yield f"{after.id}: the same entries as now"
