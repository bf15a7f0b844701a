"""Certificates for tests: a private authority, and a server and a client that it has signed, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

EXTENSIONS = {
    "authority": "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash",
    "server": "subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid",
    "client": "extendedKeyUsage=clientAuth\nauthorityKeyIdentifier=keyid",
}


def make_certificates(folder: Path) -> Path:
    """The folder with authority.pem, and server and client (.pem, .key); the server is called localhost."""
    for name, extensions in EXTENSIONS.items():
        (folder / f"{name}.ext").write_text(extensions)
        key = f"-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key"
        _openssl(folder, f"req {key} -out {name}.csr -subj /CN={name}")
        signer = (
            "-CA authority.pem -CAkey authority.key -CAcreateserial" if name != "authority" else f"-signkey {name}.key"
        )
        _openssl(folder, f"x509 -req -in {name}.csr {signer} -days 2 -extfile {name}.ext -out {name}.pem")
    return folder


def _openssl(folder: Path, arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments.split()], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
