"""The fingerprints of the keys in an OpenPGP file (RFC 9580): enough to know which keys apt would trust with it.

gpg is not asked: Debian 13 and later check signatures with sqv and need not have gpg, and gpg wants a home to write to.
The reader is strict. A form that it does not know is an error, so that it never sees fewer keys than apt does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Iterator, List, Tuple

MOST_BYTES = 1 << 20
BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
END = "-----END PGP PUBLIC KEY BLOCK-----"
PUBLIC_KEY = 6
PARTS = {PUBLIC_KEY, 2, 13, 14, 17}  # with signatures, user ids, subkeys, attributes: what a public key is made of


class KeyFileError(ValueError):
    """The file is none of public keys, in words."""


def binary(data: bytes) -> bytes:
    """The packets of a key file, be it binary or armored. Raises KeyFileError."""
    if len(data) > MOST_BYTES:
        raise KeyFileError("it has more than %d bytes" % MOST_BYTES)
    if data[:1] and data[0] & 0x80:
        return data
    try:
        lines = [line.strip() for line in data.decode("ascii").strip().splitlines()]
    except UnicodeDecodeError:
        raise KeyFileError("it is no OpenPGP key") from None
    if not lines or lines[0] != BEGIN:
        raise KeyFileError("it is no OpenPGP key: it begins with %r" % (lines[0][:40] if lines else ""))
    if lines.index(END) != len(lines) - 1 if END in lines else True:
        raise KeyFileError("it is not one whole armored block")
    body = lines[lines.index("") + 1 : -1] if "" in lines else []
    text = [line for line in body if not line.startswith("=")]  # without the checksum: TLS and the fingerprint say more
    try:
        return base64.b64decode("".join(text), validate=True)
    except binascii.Error as error:
        raise KeyFileError("its base64 is damaged: %s" % error) from None


def fingerprints(data: bytes) -> List[str]:
    """The fingerprints of all primary keys in packets, in upper-case hex. Raises KeyFileError."""
    found: List[str] = []
    for tag, body in packets(data):
        if tag not in PARTS:
            raise KeyFileError("it holds a packet of type %d, which belongs to no public key" % tag)
        if tag == PUBLIC_KEY:
            found.append(_fingerprint(body))
        elif not found:
            raise KeyFileError("it does not begin with a key")
    if not found:
        raise KeyFileError("it holds no key")
    return found


def _fingerprint(body: bytes) -> str:
    version = body[0] if body else 0
    if version == 4:
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()
    if version == 6:
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise KeyFileError("it holds a key of version %d; 4 and 6 are known" % version)


def packets(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """Type and body of each packet. Raises KeyFileError."""
    at = 0
    while at < len(data):
        tag, start, size = _header(data, at)
        at = start + size
        if at > len(data):
            raise KeyFileError("it ends in the middle of a packet")
        yield tag, data[start:at]


def _header(data: bytes, at: int) -> Tuple[int, int, int]:
    """Type, first byte of the body, and its size."""
    first = data[at]
    if not first & 0x80:
        raise KeyFileError("byte %d begins no packet" % at)
    if first & 0x40:
        tag, one = first & 0x3F, _number(data, at + 1, 1)
        if one < 192:
            return tag, at + 2, one
        if one < 224:
            return tag, at + 3, ((one - 192) << 8) + _number(data, at + 2, 1) + 192
        if one == 255:
            return tag, at + 6, _number(data, at + 2, 4)
    elif first & 3 < 3:
        width = 1 << (first & 3)
        return (first >> 2) & 15, at + 1 + width, _number(data, at + 1, width)
    raise KeyFileError("a packet says no length, which is not known of keys")


def _number(data: bytes, at: int, width: int) -> int:
    if at + width > len(data):
        raise KeyFileError("it ends in the middle of a packet")
    return int.from_bytes(data[at : at + width], "big")
