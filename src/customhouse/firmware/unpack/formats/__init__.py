"""All formats that we read ourselves: one file each, registered here and nowhere else."""

from ..format import Format
from .squashfs import Squashfs

FORMATS: tuple[Format, ...] = (Squashfs(),)
