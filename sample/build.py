"""Builds the sample camera's two images: cross-compiled programs and text files in a squashfs, behind a uImage.

Needs Debian's gcc-mipsel-linux-gnu and squashfs-tools. The result is the same bytes wherever the tools are the same.
"""

import gzip
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

HERE = Path(__file__).parent
COMPILER = "mipsel-linux-gnu-gcc"
ERASE_BLOCK = 64 * 1024
TIME = 1_767_225_600  # 2026-01-01, in every header and inode
COMMON = ("-Os", "-s", "-Wall", "-Wno-unused-result", "-Wno-format-truncation", "-Wl,--build-id=none")
PLAIN = ("-fno-stack-protector", "-fno-pie", "-no-pie", "-U_FORTIFY_SOURCE", "-Wl,-z,norelro", "-Wl,-z,execstack")
HARDENED = (
    "-DFIXED",
    "-fstack-protector-all",
    "-D_FORTIFY_SOURCE=2",
    "-fPIE",
    "-pie",
    "-Wl,-z,relro,-z,now",
    "-Wl,-z,noexecstack",
)
VERSIONS = {
    "1.0": (PLAIN, ("camhttpd", "telnetd", "debugd", "camerad"), "3.4.35", "Mon Mar 4 10:00:00 UTC 2019"),
    "2.0": (HARDENED, ("camhttpd", "camerad"), "6.12.41", "Fri Aug 1 10:00:00 UTC 2025"),
}
LISTENERS = {
    "1.0": {
        "ftpd": ("21", "SOCK_STREAM", "220 Lumen FTP ready\\r\\n"),
        "sshd": ("22", "SOCK_STREAM", "SSH-2.0-lumen\\r\\n"),
        "upnpd": ("1900", "SOCK_DGRAM", ""),
        "utelnetd": ("2323", "SOCK_STREAM", "login: "),
    },
    "2.0": {},
}
MODULES = {"1.0": "3.4.43", "2.0": "6.12.41"}
"""What the module says it was built for: in 1.0 not the kernel beside it."""
FOLDERS = ("bin", "data", "dev", "proc", "sbin", "sys", "tmp", "usr/sbin")


def compile_program(name: str, flags: tuple[str, ...], target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        # The cross toolchain has no libcrypt to link with; only its name and one symbol are needed.
        stub = Path(scratch, "crypt.c")
        stub.write_text("char *crypt(const char *k, const char *s) { (void)k; (void)s; return 0; }\n")
        library = Path(scratch, "libcrypt.so")
        run(COMPILER, "-shared", "-fPIC", "-Wl,-soname,libcrypt.so.1", "-o", library, stub)
        source = HERE / "programs" / f"{name}.c"
        run(COMPILER, *COMMON, *flags, "-o", target, source, f"-L{scratch}", "-Wl,--as-needed", "-lcrypt")


def listener(port: str, kind: str, greeting: str, target: Path) -> None:
    words = (f"-DPORT={port}", f"-DTYPE={kind}", f'-DGREETING="{greeting}"')
    run(COMPILER, *COMMON, *PLAIN, *words, "-o", target, HERE / "programs/listener.c")


def module(kernel: str, target: Path) -> None:
    target.parent.mkdir(parents=True)
    run(COMPILER, "-Os", "-c", f'-DKERNEL="{kernel}"', "-o", target, HERE / "programs/module.c")


def root_file_system(version: str, root: Path) -> None:
    flags, programs, _, _ = VERSIONS[version]
    shutil.copytree(HERE / version, root, dirs_exist_ok=True)
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in programs:
        compile_program(name, flags, root / "usr/sbin" / name)
    for name, (port, kind, greeting) in LISTENERS[version].items():
        listener(port, kind, greeting, root / "usr/sbin" / name)
    module(MODULES[version], root / "lib/modules" / VERSIONS[version][2] / "lumen_sensor.ko")
    for path in [root, *root.rglob("*")]:
        executable = path.is_dir() or os.access(path, os.X_OK)
        path.chmod(0o755 if executable else 0o644)


def kernel_stand_in(version: str) -> bytes:
    """A uImage (U-Boot include/image.h) around a banner: no kernel, and it says so."""
    _, _, kernel, date = VERSIONS[version]
    banner = f"Linux version {kernel} (build@lumencam) (gcc version 12.2.0) #1 {date}\n"
    note = "This is a stand-in for a kernel: it carries the banner and nothing that runs.\n"
    body = gzip.compress((banner + note).encode(), mtime=TIME)
    name = f"Linux-{kernel}".encode()
    fields = [0x27051956, 0, TIME, len(body), 0x80010000, 0x80010000, zlib.crc32(body), 5, 5, 2, 1, name]
    form = ">7I4B32s"
    fields[1] = zlib.crc32(struct.pack(form, *fields))
    return struct.pack(form, *fields) + body


def image(version: str) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        root, packed = Path(scratch, "root"), Path(scratch, "root.squashfs")
        root.mkdir()
        root_file_system(version, root)
        run(
            "mksquashfs", root, packed, "-comp", "xz", "-all-root", "-noappend", "-no-progress", "-quiet", "-no-xattrs",
            "-mkfs-time", str(TIME), "-all-time", str(TIME), "-p", "/dev/console c 600 0 0 5 1",
        )  # fmt: skip
        kernel = kernel_stand_in(version)
        parts = (kernel, packed.read_bytes())
    return b"".join(part + b"\xff" * (-len(part) % ERASE_BLOCK) for part in parts)


def run(*command: str | Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    subprocess.run([str(word) for word in command], check=True, env=environment, stdout=subprocess.DEVNULL)


def main() -> int:
    for tool, package in ((COMPILER, "gcc-mipsel-linux-gnu"), ("mksquashfs", "squashfs-tools")):
        if shutil.which(tool) is None:
            print(f"error: {tool} is not here\nhint: apt-get install {package}", file=sys.stderr)
            return 1
    for version in VERSIONS:
        target = HERE / f"camera-{version}.img"
        target.write_bytes(image(version))
        print(f"{target.name}: {target.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
