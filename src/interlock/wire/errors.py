"""What goes wrong with bytes that a peer sent."""


class ProtocolViolation(Exception):
    """The peer broke the protocol; the connection can no longer be understood and must end.

    The text is safe to show to the peer and to log: it names the rule and the message, never the content.
    """


class InvalidText(ProtocolViolation):
    """A text field is not valid UTF-8.

    Framing is unharmed, so a codec may answer this one message with an error and go on.
    """
