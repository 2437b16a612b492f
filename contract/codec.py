"""Gateway ═ contract ═ cloud: bytes to messages and back, the same bytes for the same message always (pure)."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Sequence

import msgspec

from contract.messages import CONTRACT_VERSION, Envelope, Receipt, Record

MAX_INFLATED_BYTES = 16 * 1024 * 1024
"""Largest envelope either side inflates: a few kilobytes of gzip must not become gigabytes of memory."""

BODY_DIGEST = "Content-Digest"
"""Header of a request: ``digest`` of its body as sent, compressed (RFC 9530)."""
ANSWER_DIGEST = "Plantroom-Answer-Digest"
"""Header of an answer: ``digest`` of the request's body as received, followed by the answer's own. It says that the cloud
itself answered, that it answered this request, and that neither was changed on the way."""

_encoder = msgspec.json.Encoder(order="deterministic")
_envelope = msgspec.json.Decoder(Envelope)
_receipt = msgspec.json.Decoder(Receipt)
_record: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class ContractError(ValueError):
    """Bytes that are not a message of this contract. The text says what and where."""


class TooLarge(ContractError):
    """A body that inflates beyond what either side accepts; fewer records at once would pass."""


def encode_record(record: Record) -> bytes:
    """One record as JSON, as the outbox stores it and the envelope carries it."""
    return _encoder.encode(record)


def decode_record(body: bytes | msgspec.Raw) -> Record:
    """One record, alone, so that a bad one spoils no neighbour. Raises ContractError."""
    try:
        return _record.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractError(str(error)) from error


def encode_envelope(envelope: Envelope) -> bytes:
    """The envelope as JSON."""
    return _encoder.encode(envelope)


def raw_records(bodies: Sequence[bytes]) -> list[msgspec.Raw]:
    """Stored record bodies, ready for an envelope without being decoded and encoded again."""
    return [msgspec.Raw(body) for body in bodies]


def decode_envelope(body: bytes) -> Envelope:
    """An envelope with its records still raw. Raises ContractError, also for another contract version."""
    try:
        envelope = _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractError(str(error)) from error
    if envelope.contract != CONTRACT_VERSION:
        msg = f"contract version {envelope.contract} is not spoken here; this side speaks {CONTRACT_VERSION}"
        raise ContractError(msg)
    if envelope.first < 1:
        msg = f"first is {envelope.first}; sequence numbers start at 1"
        raise ContractError(msg)
    return envelope


def encode_receipt(receipt: Receipt) -> bytes:
    """The receipt as JSON."""
    return _encoder.encode(receipt)


def decode_receipt(body: bytes) -> Receipt:
    """A receipt. Raises ContractError, for instance for a captive portal's web page."""
    try:
        return _receipt.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractError(str(error)) from error


def digest(*parts: bytes) -> str:
    """SHA-256 of the parts together, written as RFC 9530 does."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(part)
    return f"sha-256=:{base64.b64encode(hashed.digest()).decode()}:"


def deflate(body: bytes) -> bytes:
    """Gzip with no time in its header: the same body gives the same bytes."""
    return gzip.compress(body, compresslevel=6, mtime=0)


def inflate(body: bytes, limit: int = MAX_INFLATED_BYTES) -> bytes:
    """Gunzip at most ``limit`` bytes. Raises ContractError for what is larger, torn or not gzip."""
    stream = zlib.decompressobj(wbits=31)
    try:
        data = stream.decompress(body, limit)
    except zlib.error as error:
        msg = f"not gzip: {error}"
        raise ContractError(msg) from error
    if stream.unconsumed_tail:
        msg = f"the body inflates to more than {limit} bytes; send fewer records at once"
        raise TooLarge(msg)
    if not stream.eof:
        msg = "the gzip body ends before its end; send it again"
        raise ContractError(msg)
    return data
