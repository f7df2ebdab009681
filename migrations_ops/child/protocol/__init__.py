"""What the parent and the child write to each other, in lines of JSON.

Types, constants and pure functions only: both import this package. ``redaction`` alone remembers
something, the secrets of its process.
"""

# Both ends come from one installation. Where it is replaced while a release is at work, a child
# that was started before may meet a parent that speaks otherwise.
VERSION = 1


class ProtocolError(Exception):
    """The other end speaks another version of the protocol."""
