"""TLS of the listener."""

import ssl


def listener_context(cert: str, key: str) -> ssl.SSLContext:
    """A server's context from PEM files, TLS 1.2 and newer. Raises OSError (ssl.SSLError among them)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    return context
