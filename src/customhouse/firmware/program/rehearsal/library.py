"""The functions of the C library that rehearsed programs find."""

from . import (
    allocation,
    characters,
    conversions,
    descriptors,
    moments,
    options,
    printing,
    processes,
    queues,
    scanning,
    signals,
    sockets,
    streams,
    surroundings,
    texts,
    threads,
    waiting,
)
from .calls import Answer

_ROOMS = (
    surroundings,
    allocation,
    moments,
    options,
    characters,
    conversions,
    texts,
    printing,
    scanning,
    descriptors,
    sockets,
    waiting,
    streams,
    queues,
    processes,
    threads,
    signals,
)


def answers() -> dict[str, Answer]:
    """All of them, by the names that programs import."""
    return {name: answer for room in _ROOMS for name, answer in room.ANSWERS.items()}
