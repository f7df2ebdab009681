"""Certificates for servers that speak TLS."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.process import hand_over


def make_certificate(folder: Path, name: str) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, with its key beside it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("apt-get install openssl for this test")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext"
    subprocess.run(
        [
            openssl,
            *words.split(),
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    for file in (certificate, key):
        hand_over(file)
    return certificate
