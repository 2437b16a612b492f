"""The contract's bytes: golden files are added to, never edited."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from contract.codec import (
    MAX_INFLATED_BYTES,
    ContractError,
    decode_envelope,
    decode_receipt,
    decode_record,
    deflate,
    encode_envelope,
    encode_receipt,
    encode_record,
    inflate,
    raw_records,
)
from contract.messages import (
    AlarmRaised,
    Cause,
    Committed,
    Directive,
    Envelope,
    Previous,
    Quality,
    Receipt,
    Record,
    Refused,
    SampleBatch,
    SampleSeries,
    Severity,
    Term,
    event_id,
    fault_key,
)

GOLDEN = Path(__file__).parent / "golden"

RAISED = AlarmRaised(
    equipment="incomer_1",
    rule="power_factor_low",
    severity=Severity.MAJOR,
    clause="h-5.3.1-pf",
    began_at="2026-11-21T07:05:00.123Z",
    raised_at="2026-11-21T07:20:00.123Z",
    on_delay_ms=900_000,
    because=[Term(name="power_factor", value=0.87, unit="1")],
)
SAMPLES = SampleBatch(
    series=[
        SampleSeries(
            equipment="incomer_1",
            point="power_factor",
            device="meter_1",
            at=[1795244700123, 1795244701123],
            value=[0.87, None],
            quality=[Quality.GOOD, Quality.BAD],
            cause=[Cause.NONE, Cause.NO_RESPONSE],
        )
    ]
)
RECEIPT = Receipt(
    contract=1,
    gateway="gw_1",
    server_time="2026-11-21T07:20:01.000Z",
    committed=[Committed(epoch=7, lane="events", through=20418)],
    refused=[Refused(seq=20417, reason="unknown type: LiftMood")],
    directives=[Directive(id="d1", kind="shelve", by="chief", reason="works", equipment="lift_1", rule="door_fault")],
)


def _envelope(records: list[bytes]) -> Envelope:
    return Envelope(
        contract=1,
        gateway="gw_1",
        epoch=7,
        lane="events",
        first=20417,
        sent_at="2026-11-21T07:20:00.500Z",
        records=raw_records(records),
        previous=Previous(epoch=6, events=31, samples=977),
    )


def _newest(kind: str) -> Path:
    return max(GOLDEN.glob(f"record-{kind}-*.json"), key=lambda path: int(path.stem.rpartition("-")[2]))


def _holds(now: object, then: object) -> bool:
    """Whether everything that was said then is still there now; fields added since may stand beside it."""
    if isinstance(now, dict) and isinstance(then, dict):
        return all(key in now and _holds(now[key], value) for key, value in then.items())
    if isinstance(now, list) and isinstance(then, list):
        return len(now) == len(then) and all(map(_holds, now, then))
    return now == then


KINDS = sorted({path.stem.removeprefix("record-").rpartition("-")[0] for path in GOLDEN.glob("record-*.json")})


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("record-*.json")), ids=lambda path: path.stem)
def test_every_golden_record_ever_sent_is_still_understood(path: Path) -> None:
    understood = json.loads(encode_record(decode_record(path.read_bytes())))
    assert _holds(understood, json.loads(path.read_bytes()))


@pytest.mark.parametrize("kind", KINDS)
def test_the_newest_golden_record_of_each_kind_encodes_to_the_same_bytes(kind: str) -> None:
    body = _newest(kind).read_bytes().rstrip(b"\n")
    assert encode_record(decode_record(body)) == body


def test_every_kind_of_record_has_a_golden_file() -> None:
    kinds = {kind.__name__ for kind in Record.__args__}
    stored = {json.loads(path.read_bytes())["type"] for path in GOLDEN.glob("record-*.json")}
    assert stored == kinds


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("envelope-2.json", encode_envelope(_envelope([encode_record(RAISED), encode_record(SAMPLES)]))),
        ("receipt-1.json", encode_receipt(RECEIPT)),
    ],
)
def test_the_bytes_on_the_line_are_the_golden_ones(name: str, body: bytes) -> None:
    assert body == (GOLDEN / name).read_bytes().rstrip(b"\n")


def test_an_envelope_of_an_older_gateway_is_still_understood() -> None:
    older = decode_envelope((GOLDEN / "envelope-1.json").read_bytes())
    assert [decode_record(raw) for raw in older.records] == [RAISED, SAMPLES]


def test_an_envelope_survives_the_line() -> None:
    records = [encode_record(RAISED), encode_record(SAMPLES)]
    received = decode_envelope(inflate(deflate(encode_envelope(_envelope(records)))))
    assert [decode_record(raw) for raw in received.records] == [RAISED, SAMPLES]
    assert received.previous == Previous(epoch=6, events=31, samples=977)


def test_the_same_envelope_gives_the_same_compressed_bytes() -> None:
    body = encode_envelope(_envelope([encode_record(RAISED)]))
    assert deflate(body) == deflate(body)
    assert deflate(body)[4:8] == b"\0\0\0\0"


def test_a_field_of_a_newer_gateway_is_ignored() -> None:
    body = json.loads(encode_record(RAISED))
    body["mood"] = "grim"
    assert decode_record(json.dumps(body).encode()) == RAISED


def test_a_message_of_an_older_gateway_takes_the_defaults() -> None:
    body = json.loads(encode_record(RAISED))
    for added_later in ("on_delay_ms", "because", "suppressed_by", "instance", "storms"):
        body.pop(added_later, None)
    older = decode_record(json.dumps(body).encode())
    assert isinstance(older, AlarmRaised)
    assert older.because == []


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("severity", "terrible", "terrible"),
        ("raised_at", "2026-11-21 07:20", "raised_at"),
        ("equipment", 7, "equipment"),
        ("type", "LiftMood", "LiftMood"),
    ],
)
def test_a_bad_record_is_refused_with_the_place(field: str, value: object, said: str) -> None:
    body = json.loads(encode_record(RAISED))
    body[field] = value
    with pytest.raises(ContractError, match=said):
        decode_record(json.dumps(body).encode())


def test_a_bad_record_does_not_spoil_the_envelope() -> None:
    received = decode_envelope(encode_envelope(_envelope([b'{"type":"LiftMood"}', encode_record(RAISED)])))
    assert decode_record(received.records[1]) == RAISED


def test_another_contract_version_is_refused_by_name() -> None:
    body = json.loads(encode_envelope(_envelope([])))
    body["contract"] = 2
    with pytest.raises(ContractError, match="version 2"):
        decode_envelope(json.dumps(body).encode())


def test_sequence_numbers_start_at_one() -> None:
    body = json.loads(encode_envelope(_envelope([])))
    body["first"] = 0
    with pytest.raises(ContractError, match="start at 1"):
        decode_envelope(json.dumps(body).encode())


def test_a_captive_portal_is_not_a_receipt() -> None:
    with pytest.raises(ContractError):
        decode_receipt(b"<html>please sign in</html>")


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(ContractError, match="inflates"):
        inflate(deflate(b"0" * (MAX_INFLATED_BYTES + 1)))


def test_a_torn_body_is_refused() -> None:
    with pytest.raises(ContractError, match="ends before"):
        inflate(deflate(encode_record(RAISED))[:-9])
    with pytest.raises(ContractError, match="not gzip"):
        inflate(b"plain")


def test_ids_and_fault_keys_have_one_shape() -> None:
    assert event_id("gw_1", 7, "events", 20418) == "gw_1:7:events:20418"
    assert fault_key("riverside", "lift_2", "entrapment") == "riverside/lift_2/entrapment"
    assert fault_key("riverside", "tx_1", "no_data", "meter_1") == "riverside/tx_1/no_data/meter_1"


def test_severity_ranks_from_advisory_to_life_safety() -> None:
    assert sorted(Severity, key=lambda severity: severity.rank) == list(Severity)
    assert Severity.LIFE_SAFETY.rank == 4


def test_the_published_types_are_what_msgspec_checks() -> None:
    assert msgspec.json.decode(encode_receipt(RECEIPT), type=Receipt) == RECEIPT
