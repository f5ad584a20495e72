"""Chance that a seed repeats, whatever the timing of threads."""

import hashlib

_BITS = 52  # what a float holds of a number between 0 and 1 without rounding it to 1


def digest(seed: int, *what: object) -> bytes:
    """Return bytes that depend on the seed and on what is decided, and on nothing else."""
    text = "\0".join(str(each) for each in (seed, *what))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def draw(seed: int, *what: object) -> float:
    """Return a number between 0 and 1, both excluded, evenly spread over all decisions."""
    number = int.from_bytes(digest(seed, *what), "big") % (1 << _BITS)
    return (number + 0.5) / (1 << _BITS)
