"""Fetches Debian packages of foreign architectures and unpacks them, without touching the machine's own dpkg.

apt is given a private state folder and its architecture by options; where packages come from is what the machine's own
sources say, and apt checks their signatures as always.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGES = (
    "busybox",
    "dropbear-bin",
    "lighttpd",
    "dnsmasq-base",
    "snmpd",
    "inetutils-telnetd",
    "avahi-daemon",
    "hostapd",
    "wpasupplicant",
    "openvpn",
    "curl",
    "tcpdump",
    "ntpsec",
    "mosquitto",
    "vsftpd",
    "samba-common-bin",
    "miniupnpd-nftables",
    "stunnel4",
    "tinyproxy-bin",
    "nginx",
    "socat",
    "iperf3",
)
ARCHITECTURES = ("armhf", "mipsel", "arm64")


@dataclass(frozen=True)
class Unpacked:
    package: str
    architecture: str
    folder: Path | None
    why: str = ""
    """Why there is no folder."""

    def elf_files(self) -> Iterator[Path]:
        """Every regular file of the package that is ELF."""
        if self.folder is None:
            return
        for path in sorted(self.folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            with path.open("rb") as opened:
                if opened.read(4) == b"\x7fELF":
                    yield path


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "customhouse-bench"


def fetch(packages: Sequence[str], architecture: str) -> list[Unpacked]:
    """Every package unpacked, from the cache where it was before."""
    base = cache_folder() / "debian" / architecture
    wanted = [name for name in packages if not (base / name / ".complete").is_file()]
    refused: dict[str, str] = {}
    if wanted:
        refused = _download(wanted, architecture, base)
    made = []
    for name in packages:
        folder = base / name
        if (folder / ".complete").is_file():
            made.append(Unpacked(name, architecture, folder))
        else:
            made.append(Unpacked(name, architecture, None, refused.get(name, "not unpacked")))
    return made


def _download(packages: Sequence[str], architecture: str, base: Path) -> dict[str, str]:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return dict.fromkeys(packages, "no apt-get on this machine")
    private = cache_folder() / "apt" / architecture
    options = _private_apt(private, architecture)
    update = subprocess.run(["apt-get", *options, "update"], capture_output=True, text=True)
    if update.returncode:  # one stale index (a mirror out of step) leaves the others usable
        print(f"{architecture}: apt-get update: {_last_line(update.stderr)}")
    refused = {}
    for name in packages:
        store = private / "debs" / name
        shutil.rmtree(store, ignore_errors=True)
        store.mkdir(parents=True)
        done = subprocess.run(["apt-get", *options, "download", name], cwd=store, capture_output=True, text=True)
        debs = list(store.glob("*.deb"))
        if done.returncode or not debs:
            refused[name] = _last_line(done.stderr)
            continue
        folder = base / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", str(debs[0]), str(folder)], check=True)
        (folder / ".complete").write_text(debs[0].name + "\n")
        debs[0].unlink()
    return refused


def _private_apt(folder: Path, architecture: str) -> list[str]:
    (folder / "state" / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    status = folder / "status"
    status.touch()
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": status,
        "Dir::Cache": folder / "cache",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": 2,
        "APT::Update::Post-Invoke::": "",
    }
    return ["-qq", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("E: ") if lines else "no reason given"
