"""Identifiers made from a given time and given random bytes; no clock and no randomness of its own."""


def uuid7(milliseconds: int, random: bytes) -> str:
    """A UUIDv7 (RFC 9562, section 5.7) as text: 48 bits of Unix milliseconds, then 74 random bits.

    `random` must hold at least 10 bytes. Ids of one process sort by their millisecond.
    """
    if len(random) < 10:
        raise ValueError("uuid7 needs 10 random bytes")
    high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | (int.from_bytes(random[:2], "big") & 0x0FFF)
    low = 0x8000_0000_0000_0000 | (int.from_bytes(random[2:10], "big") & 0x3FFF_FFFF_FFFF_FFFF)
    digits = f"{high:016x}{low:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
