"""Intent and kernel, kept alike: deltas go to the kernel one after the other, from one thread.

When the kernel refuses a delta, it gets the whole ruleset; when it refuses that too, the caller hears of it, and what
the kernel holds is what it held before.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import msgspec

from customhouse.gateway.kernel.kernel import RulesetRefused
from customhouse.gateway.ruleset.compile import Delta, Ruleset
from customhouse.gateway.ruleset.house import Device, House, LearnedName
from customhouse.gateway.ruleset.intent import Intent

Result = TypeVar("Result")


class KernelSide(Protocol):
    """What the enforcer needs of `gateway.kernel.Kernel`; tests bring their own."""

    def replace(self, ruleset: Ruleset) -> None: ...

    def apply(self, delta: Delta) -> None: ...

    def drift(self, ruleset: Ruleset) -> tuple[str, ...]: ...

    def cut_flows(self, number: int, addresses: Iterable[str] = ()) -> None: ...


class Enforcer:
    """All methods are called from one event loop, and return when the kernel holds what they said."""

    def __init__(self, house: House, kernel: KernelSide) -> None:
        self._intent = Intent(house)
        self._kernel = kernel
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kernel")

    async def start(self) -> None:
        """The whole ruleset, anew."""
        ruleset = self._intent.ruleset
        await self._in_order(lambda: self._kernel.replace(ruleset))

    async def set_device(self, device: Device) -> None:
        await self._apply(self._intent.set_device(device))

    async def learn(self, names: Iterable[LearnedName]) -> None:
        await self._apply(self._intent.learn(names))

    async def forget_names(self, device: Device, names: Iterable[LearnedName]) -> None:
        """The device may use only `names` from now on: others that it looked up are closed."""
        kept = tuple(names)
        house = self._intent.house
        others = tuple(learned for learned in house.names if learned.device != device.id)
        if len(others) + len(kept) == len(house.names):
            return
        await self._apply(self._intent.set_house(msgspec.structs.replace(house, names=(*others, *kept))))

    async def cut(self, device: Device) -> None:
        """End the established flows of a device."""
        await self._in_order(lambda: self._kernel.cut_flows(device.number, device.addresses))

    async def mend(self, now: float) -> tuple[str, ...]:
        """What was wrong with the kernel, in words; it is right afterwards."""
        self._intent.forget_ended(now)
        ruleset = self._intent.ruleset
        wrong = await self._in_order(lambda: self._kernel.drift(ruleset))
        if wrong:
            await self._in_order(lambda: self._kernel.replace(ruleset))
        return wrong

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    async def _apply(self, delta: Delta) -> None:
        if not delta:
            return
        ruleset = self._intent.ruleset
        await self._in_order(lambda: self._hand_over(delta, ruleset))

    def _hand_over(self, delta: Delta, ruleset: Ruleset) -> None:
        try:
            self._kernel.apply(delta)
        except RulesetRefused:
            self._kernel.replace(ruleset)

    async def _in_order(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
