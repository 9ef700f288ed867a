"""All formats that we read ourselves: one file each, registered here and nowhere else."""

from ..format import Format
from .bzip2 import Bzip2
from .cpio import Cpio
from .cramfs import Cramfs
from .device_tree import DeviceTree
from .elf import Elf
from .esp32 import Esp32
from .esp8266 import Esp8266
from .esp_nvs import EspNvs
from .esp_partitions import EspPartitions
from .gzip import Gzip
from .jffs2 import Jffs2
from .lz4_frame import Lz4
from .lzma_stream import LzmaStream
from .squashfs import Squashfs
from .tar import Tar
from .tplink import TpLink
from .trendchip import Trendchip
from .ubi import Ubi
from .ubifs import Ubifs
from .uimage import UImage
from .xz import Xz
from .zip_archive import ZipArchive
from .zstandard_stream import Zstandard

FORMATS: tuple[Format, ...] = (
    Squashfs(),
    Cramfs(),
    Jffs2(),
    Ubi(),
    Ubifs(),
    Tar(),
    Cpio(),
    ZipArchive(),
    Gzip(),
    Bzip2(),
    Xz(),
    LzmaStream(),
    Lz4(),
    Zstandard(),
    UImage(),
    DeviceTree(),
    TpLink(),
    Trendchip(),
    Elf(),
    Esp32(),
    Esp8266(),
    EspPartitions(),
    EspNvs(),
)
