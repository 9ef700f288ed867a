"""systemd units."""

from .shell_run import Machine


def follow(machine: Machine, path: str) -> None:
    pass
