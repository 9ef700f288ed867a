"""Android init."""

from .files import Files
from .shell_run import Machine


def is_android(files: Files) -> bool:
    return False


def follow(machine: Machine) -> None:
    pass
