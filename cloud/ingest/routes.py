"""Envelope → ingest over HTTP: ``POST /api/v1/ingest``. The answer is sent after the commit, never before."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from cloud.errors import Refused
from cloud.ingest.accept import LARGEST
from cloud.ingest.service import ingest
from contract.codec import ContractError, TooLarge, decode_envelope, encode_receipt, inflate
from contract.messages import Envelope

router = APIRouter(prefix="/api/v1", tags=["gateways"])

MAX_BODY_BYTES = 8 * 1024 * 1024
_FEWER = "send fewer records in one envelope"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "An envelope of the contract, gzip, with the gateway's bearer credential.",
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
        "description": "Committed. Every number up to ``through`` may be forgotten by the gateway.",
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
    }
}


@router.post("/ingest", summary="Deliver records; the receipt names what is committed", responses=_RECEIPT, openapi_extra=_BODY)  # fmt: skip
async def deliver(request: Request) -> Response:
    envelope = _envelope(await _body(request), request.headers.get("content-encoding", ""))
    state = request.app.state
    authorization = request.headers.get("authorization", "")
    outcome = await ingest(state.database, state.desk, authorization, envelope, state.clock.now_ms())
    state.hub.publish(*outcome.topics)
    state.wake(outcome.topics)
    return Response(encode_receipt(outcome.receipt), media_type="application/json")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise Refused(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes", _FEWER)
    return bytes(body)


def _envelope(body: bytes, encoding: str) -> Envelope:
    try:
        envelope = decode_envelope(inflate(body) if encoding.lower() == "gzip" else body)
        if envelope.epoch < 0 or max(envelope.epoch, envelope.first + len(envelope.records)) >= LARGEST:
            raise ContractError("epoch and numbers are whole numbers from 0 to 2^63")
        return envelope
    except TooLarge as error:
        raise Refused(413, "too_large", str(error), _FEWER) from error
    except ContractError as error:
        remedy = "send an envelope of contract version 1, gzip, with Content-Encoding: gzip"
        raise Refused(400, "contract", str(error), remedy) from error
