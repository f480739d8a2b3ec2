"""How much one request may be.

AWS documents 8 KiB for S3's headers ("Common request headers") and the user metadata in them; other services take tokens and
queries in GET that are longer, so the limits here are those of common servers.
"""

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers, with their line ends."""

MAX_TARGET = 16 * 1024

MAX_HEADERS = 100

MAX_BODY = 6 * 1024**3
"""Bytes of a body: one PutObject or UploadPart takes 5 GiB (S3 user guide, "Multipart upload limits"), and aws-chunked framing
adds to it."""

MAX_KEPT = 1024 * 1024
"""Bytes that a client may send ahead, beyond the request that is being answered."""

MAX_CHUNK_LINE = 256
MAX_TRAILERS = 8 * 1024
