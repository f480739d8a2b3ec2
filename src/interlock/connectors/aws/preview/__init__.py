"""What a call would do, found out without running it (DESIGN section 10).

describe()  effects, present state and notes of one call
Seen        what the session deleted and created lately
"""

from interlock.connectors.aws.preview.describe import describe
from interlock.connectors.aws.preview.handing import credentials_of
from interlock.connectors.aws.preview.seen import Seen, identity

__all__ = ["Seen", "credentials_of", "describe", "identity"]
