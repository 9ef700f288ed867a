"""Checking a MUD file's signature: detached CMS in DER (RFC 8520 section 13), by openssl run as a program.

Whoever can sign for any purpose under the system's certificate authorities could sign for anybody's device, so the
authority to trust is always named by the owner.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from customhouse.host.errors import InputError, MissingTool

LARGEST = 1 << 20
LONGEST = 20.0


def verify_signature(document: bytes, signature: bytes, authority: Path) -> str:
    """The signer's subject, when the signature is the document's and its signer chains to `authority` (PEM).

    Raises InputError when it is not, and MissingTool without openssl.
    """
    program = shutil.which("openssl")
    if program is None:
        raise MissingTool("openssl is not installed, so no signature can be checked", "install the package openssl")
    if len(signature) > LARGEST:
        raise InputError(f"the signature has {len(signature)} bytes; at most {LARGEST} are read")
    if not authority.is_file():
        raise InputError(
            f"there is no certificate file {authority}", "name the authority that the maker's signer chains to"
        )
    with tempfile.TemporaryDirectory(prefix="customhouse-") as folder:
        content, signed, signer = (Path(folder, name) for name in ("content", "signature", "signer"))
        content.write_bytes(document)
        signed.write_bytes(signature)
        # -purpose any: makers' signing certificates carry no e-mail usage. No system authority may vouch instead.
        result = subprocess.run(
            [program, "cms", "-verify", "-binary", "-inform", "DER", "-in", str(signed), "-content", str(content),
             "-CAfile", str(authority), "-no-CApath", "-no-CAstore", "-purpose", "any", "-signer", str(signer),
             "-out", "/dev/null"],
            capture_output=True, text=True, timeout=LONGEST, check=False,
        )  # fmt: skip
        if result.returncode:
            raise InputError(f"the signature does not hold: {_reason(result.stderr)}", "treat the profile as unsigned")
        return _subject(program, signer)


def _reason(words: str) -> str:
    for line in words.splitlines():
        if "Verify error:" in line:
            return line.split("Verify error:", 1)[1].strip()
    for line in words.splitlines():
        if "error:" in line:
            return line.rsplit(":", 1)[-1].strip() if line.count(":") < 5 else line.split(":")[5].strip()
    return "openssl refused it"


def _subject(program: str, certificate: Path) -> str:
    result = subprocess.run(
        [program, "x509", "-in", str(certificate), "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb"],
        capture_output=True, text=True, timeout=LONGEST, check=False,
    )  # fmt: skip
    return result.stdout.strip().removeprefix("subject=").strip() or "a signer without a subject"
