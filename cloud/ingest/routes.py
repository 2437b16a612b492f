"""Envelope → ingest over HTTP: ``POST /api/v1/ingest``. The answer is sent after the commit, never before."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import DataError
from starlette.requests import ClientDisconnect
from starlette.routing import Route

from cloud.describing import problem_answer
from cloud.errors import Refused
from cloud.ingest.accept import LARGEST
from cloud.ingest.service import ingest
from contract.codec import (
    ANSWER_DIGEST,
    BODY_DIGEST,
    ContractError,
    TooLarge,
    decode_envelope,
    digest,
    encode_receipt,
    inflate,
)
from contract.messages import Envelope

router = APIRouter(prefix="/api/v1", tags=["gateways"])

MAX_BODY_BYTES = 8 * 1024 * 1024
_GZIP = b"\x1f\x8b"
"""How gzip begins and JSON never does: a header that was lost on the way spoils no envelope."""
_FEWER = "send fewer records in one envelope"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "An envelope of the contract, gzip, with the gateway's bearer credential. `Content-Digest: "
        "sha-256=:…:` of the body as sent, where given, is checked before anything else.",
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "contract": 1,
                    "gateway": "gw_1",
                    "epoch": 7,
                    "lane": "events",
                    "first": 1,
                    "sent_at": "2026-11-21T07:20:00.500Z",
                    "records": [],
                    "previous": {"epoch": 6, "events": 31, "samples": 977},
                },
            }
        },
    }
}
_RECEIPT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Committed. Every number up to ``through`` may be forgotten by the gateway, when the header "
        "`Plantroom-Answer-Digest` is the SHA-256 of the request's body as sent followed by this one.",
        "content": {
            "application/json": {
                "example": {
                    "contract": 1,
                    "gateway": "gw_1",
                    "server_time": "2026-11-21T07:20:01.000Z",
                    "committed": [{"epoch": 7, "lane": "events", "through": 0}],
                    "refused": [],
                    "directives": [],
                }
            }
        },
    },
    413: problem_answer("Too large: send fewer records in one envelope"),
}


@router.post("/ingest", summary="Deliver records; the receipt names what is committed", responses=_RECEIPT, openapi_extra=_BODY)  # fmt: skip
async def deliver(request: Request) -> Response:
    body = await _body(request)
    try:
        answer = await _commit(request, body)
    except Refused as error:
        answer = await request.app.exception_handlers[Refused](request, error)
    answer.headers[ANSWER_DIGEST] = digest(body, bytes(answer.body))
    return answer


call = Route("/api/v1/ingest", deliver, methods=["POST"], include_in_schema=False)
"""The same, found before FastAPI's own route, which then only describes it: what that does for a call is nothing here, and costs."""


async def _commit(request: Request, body: bytes) -> Response:
    told = request.headers.get(BODY_DIGEST)
    if told is not None and told != digest(body):
        raise Refused(400, "garbled", "the body is not the one its Content-Digest tells of", "send it again")
    envelope = _envelope(body, request.headers.get("content-encoding", ""))
    state = request.app.state
    authorization = request.headers.get("authorization", "")
    try:
        outcome = await ingest(state.database, state.desk, authorization, envelope, state.clock.now_ms())
    except DataError as error:
        raise Refused(422, "invalid", "a value cannot be stored", "leave out control characters") from error
    state.hub.publish(*outcome.topics)
    state.wake(outcome.work)
    return Response(encode_receipt(outcome.receipt), media_type="application/json")


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY_BYTES:
                raise Refused(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes", _FEWER)
    except ClientDisconnect as error:  # a line that breaks is nothing to report; nobody hears the answer
        raise Refused(400, "cut", "the body ends before its end", "send it again") from error
    return bytes(body)


def _envelope(body: bytes, encoding: str) -> Envelope:
    try:
        envelope = decode_envelope(inflate(body) if encoding.lower() == "gzip" or body.startswith(_GZIP) else body)
        if envelope.epoch < 0 or max(envelope.epoch, envelope.first + len(envelope.records)) >= LARGEST:
            raise ContractError("epoch and numbers are whole numbers from 0 to 2^63")
        return envelope
    except TooLarge as error:
        raise Refused(413, "too_large", str(error), _FEWER) from error
    except ContractError as error:
        remedy = "send an envelope of contract version 1, gzip, with Content-Encoding: gzip"
        raise Refused(400, "contract", str(error), remedy) from error
