"""What the kernel should hold right now, kept up to date device by device, so that one approval costs one device.

Each change gives the Delta for the kernel. The caller applies it, and on a refusal replaces the whole ruleset.
"""

from collections.abc import Iterable

import msgspec

from .compile import Delta, Ruleset, compile_ruleset, diff, names_by_device
from .device import compile_device
from .house import Device, House, LearnedName
from .surroundings import surroundings


class Intent:
    """The house and its ruleset, changed together. Not safe for threads: one loop owns it."""

    def __init__(self, house: House) -> None:
        self.ruleset: Ruleset = compile_ruleset(house)
        self._house = house
        self._devices = {device.id: device for device in house.devices}
        self._names = {device: list(names) for device, names in names_by_device(house).items()}
        self._around = surroundings(house)

    @property
    def house(self) -> House:
        """The house as it stands, names that ended included until `forget_ended`."""
        names = tuple(learned for held in self._names.values() for learned in held)
        return msgspec.structs.replace(self._house, devices=tuple(self._devices.values()), names=names)

    def set_device(self, device: Device) -> Delta:
        """Admit a device or change it: its grants, rate, quarantine, addresses, port."""
        held = self._devices.get(device.id)
        self._devices[device.id] = device
        if held is None or self._seen_by_others(held) != self._seen_by_others(device):
            return self.set_house(self.house)
        return self._recompile((device.id,))

    def remove_device(self, device: str) -> Delta:
        """Forget a device wholly; a frame from it is then one from a stranger."""
        self._devices.pop(device, None)
        self._names.pop(device, None)
        return self.set_house(self.house)

    def learn(self, names: Iterable[LearnedName]) -> Delta:
        """Names looked up. An address learned again keeps the later end."""
        touched: dict[str, None] = {}
        for learned in names:
            held = self._names.setdefault(learned.device, [])
            same = [n for n in held if (n.name, n.address) == (learned.name, learned.address)]
            if same and same[0].until >= learned.until:
                continue
            for old in same:
                held.remove(old)
            held.append(learned)
            touched[learned.device] = None
        return self._recompile(touched)

    def forget_ended(self, now: float) -> Delta:
        """Drop names whose time is over. The kernel dropped their elements by itself: nothing is removed there."""
        touched = [d for d, held in self._names.items() if any(n.until <= now for n in held)]
        for device in touched:
            self._names[device] = [n for n in self._names[device] if n.until > now]
        delta = self._recompile(touched)
        for place, found in delta.remove.items():
            for key in [key for key, entry in found.items() if entry.until and entry.until <= now]:
                del found[key]
            delta.remove[place] = found
        return Delta(add=delta.add, remove={p: f for p, f in delta.remove.items() if f}, paces=delta.paces)

    def set_house(self, house: House) -> Delta:
        """Everything anew: segments, controllers, groups. Costs the whole house."""
        old = self.ruleset
        self.__init__(house)  # type: ignore[misc]  # the one way to derive all fields from a house
        return diff(old, self.ruleset)

    def _seen_by_others(self, device: Device) -> tuple[object, ...]:
        """What other devices' rules depend on: the groups, and where their members are."""
        if not device.manufacturer and not device.model:
            return ()
        return (device.manufacturer, device.model, device.segment, device.addresses)

    def _recompile(self, ids: Iterable[str]) -> Delta:
        old = self.ruleset
        changed = {
            each: compile_device(self._devices[each], self._names.get(each, ()), self._around)
            for each in ids
            if each in self._devices
        }
        before = Ruleset(frame={}, devices={e: old.devices[e] for e in changed if e in old.devices}, fixed=old.fixed)
        delta = diff(before, Ruleset(frame={}, devices=changed, fixed=old.fixed))
        self.ruleset = Ruleset(frame=old.frame, devices={**old.devices, **changed}, fixed=old.fixed)
        return delta
