"""What a listener needs from files: its certificate and key."""

import ssl

from cryptography import x509
from cryptography.hazmat.primitives import serialization


def read_certificate(path: str) -> bytes:
    """The first certificate of a PEM file, in DER. Raises ``OSError``, or ``ValueError`` when there is none."""
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificate(file.read()).public_bytes(serialization.Encoding.DER)


def listener_context(cert: str, key: str) -> ssl.SSLContext:
    """TLS for agents, from PEM files. Raises ``OSError`` (``ssl.SSLError`` when the files are not what they should be)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context
