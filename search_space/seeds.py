"""Seeds that are the same in every process."""

import hashlib


def derive_seed(*parts: str | int) -> int:
    """Return a 32-bit seed that depends on all ``parts`` and on nothing else.

    Python's own ``hash`` differs between processes; this does not.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
