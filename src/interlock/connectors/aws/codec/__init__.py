"""AWS requests, sans-io: from the bytes of any SDK to the operation and the parameters of botocore's models.

`Codec(index).understand(asked)` gives the call or raises `Unclear`; what is ambiguous, unknown or malformed is refused. The index
is made from botocore's files by `build`, and kept with `dump` and `load`.
"""

from interlock.connectors.aws.codec.codec import Codec
from interlock.connectors.aws.codec.index import Index, build, dump, load
from interlock.connectors.aws.codec.request import Asked, Unclear, Understood

__all__ = ["Asked", "Codec", "Index", "Unclear", "Understood", "build", "dump", "load"]
