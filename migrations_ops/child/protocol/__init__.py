"""The protocol between parent and child: lines of JSON.

Types, constants and pure functions only: both import this package. Only ``redaction`` has state,
the secrets of its process.
"""

# Both ends come from one installation. If it is replaced while a release is running, a child that
# was started before may meet a parent with another protocol.
VERSION = 1


class ProtocolError(Exception):
    """The other end speaks another version of the protocol."""
