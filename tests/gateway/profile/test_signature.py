"""Signatures: made with openssl in the test, verified by chain to the named authority only."""

import shutil
import subprocess
from pathlib import Path

import pytest

from customhouse.gateway.profile.signature import verify_signature
from customhouse.host.errors import InputError

if shutil.which("openssl") is None:
    pytest.skip("openssl is not installed", allow_module_level=True)


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a signer under it, a stranger, and a signed file."""
    folder = tmp_path_factory.mktemp("signatures")
    for name in ("authority", "stranger"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/O=Maker/CN={name}", "-keyout", f"{folder}/{name}.key", "-out",
                    f"{folder}/{name}.pem")  # fmt: skip
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/O=Maker/CN=signer",
            "-keyout", f"{folder}/signer.key", "-out", f"{folder}/signer.csr")  # fmt: skip
    openssl("x509", "-req", "-in", f"{folder}/signer.csr", "-CA", f"{folder}/authority.pem",
            "-CAkey", f"{folder}/authority.key", "-CAcreateserial", "-days", "2", "-out",
                f"{folder}/signer.pem")  # fmt: skip
    (folder / "lamp.json").write_bytes(b'{"a": 1}\n')
    for name in ("signer", "stranger"):
        openssl("cms", "-sign", "-binary", "-outform", "DER", "-in", f"{folder}/lamp.json", "-signer",
            f"{folder}/{name}.pem",
                "-inkey", f"{folder}/{name}.key", "-out", f"{folder}/{name}.p7s")  # fmt: skip
    return folder


def test_a_signer_under_the_authority_is_named(made: Path) -> None:
    subject = verify_signature(
        (made / "lamp.json").read_bytes(), (made / "signer.p7s").read_bytes(), made / "authority.pem"
    )
    assert "CN=signer" in subject


def test_a_changed_file_a_stranger_and_rubbish_do_not_verify(made: Path) -> None:
    document, signature = (made / "lamp.json").read_bytes(), (made / "signer.p7s").read_bytes()
    for content, signed, authority in (
        (document + b" ", signature, "authority.pem"),
        (document, (made / "stranger.p7s").read_bytes(), "authority.pem"),
        (document, signature, "stranger.pem"),
        (document, b"rubbish", "authority.pem"),
        (document, signature, "missing.pem"),
    ):
        with pytest.raises(InputError):
            verify_signature(content, signed, made / authority)
