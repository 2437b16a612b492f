"""What an answer means and what is sent next: every answer a cloud, a proxy or a captive portal may give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.codec import encode_receipt
from contract.messages import Committed, Directive, Receipt, Refused
from edge.uplink.session import MOST_RECORDS, Answer, Decision, Outcome, Send, Sent, Session, Wait

AT = "2026-11-21T07:05:00.123Z"
SENT = Sent(epoch=5, first=11, count=10, given=40)
NO_BOUND = 10**18
ENVELOPE_BAD = b'{"code": "contract", "title": "not gzip"}'


def receipt(through: int = 20, *, epoch: int = 5, gateway: str = "gw_1", **keys: object) -> Answer:
    committed = [Committed(epoch=epoch, lane="events", through=through)]
    body = Receipt(contract=1, gateway=gateway, server_time=AT, committed=committed, **keys)  # type: ignore[arg-type]
    return Answer(200, encode_receipt(body), is_sure=True)


def receive(answer: Answer, sent: Sent = SENT, session: Session | None = None) -> Decision:
    return (session or Session("gw_1", "events")).receive(sent, answer, 0, 1.0)


def test_a_receipt_commits_what_it_names_and_brings_directives() -> None:
    wish = Directive(id="d1", kind="refresh", by="li")
    decision = receive(receipt(20, directives=[wish], refused=[Refused(seq=12, reason="unknown record")]))
    assert decision.outcome is Outcome.COMMITTED
    assert decision.committed == (Committed(epoch=5, lane="events", through=20),)
    assert decision.directives == (wish,)
    assert decision.refused[0].seq == 12


def test_a_receipt_for_a_part_commits_that_part_and_the_rest_goes_again_at_once() -> None:
    session = Session("gw_1", "events")
    decision = receive(receipt(15), session=session)
    assert [one.through for one in decision.committed] == [15]
    assert isinstance(session.next_action(0), Send)


def test_a_receipt_that_commits_nothing_is_no_reason_to_send_without_pause() -> None:
    session = Session("gw_1", "events")
    assert receive(receipt(10), session=session).outcome is Outcome.FAILED
    assert session.next_action(0) == Wait(1000)


def test_a_cloud_restored_from_a_backup_is_noticed_and_the_numbers_start_over() -> None:
    decision = receive(receipt(4))
    assert (decision.outcome, decision.start_over, decision.committed) == (Outcome.BEHIND, True, ())


def test_a_cloud_that_holds_more_than_was_sent_knows_another_life_of_this_gateway() -> None:
    decision = receive(receipt(99))
    assert (decision.outcome, decision.start_over, decision.committed) == (Outcome.EPOCH_CONFLICT, True, ())


def test_after_a_lost_answer_a_smaller_batch_may_learn_that_more_is_committed() -> None:
    decision = receive(receipt(30), Sent(5, 11, 10, given=40))
    assert (decision.outcome, decision.start_over) == (Outcome.COMMITTED, False)
    assert decision.committed == (Committed(epoch=5, lane="events", through=30),)


def test_of_an_epoch_that_is_over_the_cloud_may_hold_more_than_a_restored_disk_knows() -> None:
    assert receive(receipt(99), Sent(5, 11, 10, given=NO_BOUND)).outcome is Outcome.COMMITTED


def test_a_heartbeat_is_confirmed_by_any_receipt_of_its_own() -> None:
    assert receive(receipt(10), Sent(5, 11, 0, 10)).outcome is Outcome.COMMITTED


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, b"<html>Please sign in to the guest network</html>"), Outcome.NOT_A_RECEIPT),
        (Answer(200, b""), Outcome.NOT_A_RECEIPT),
        (receipt(20, gateway="gw_2"), Outcome.NOT_A_RECEIPT),
        (Answer(302, b""), Outcome.FAILED),
        (Answer(401), Outcome.UNAUTHORISED),
        (Answer(403), Outcome.UNAUTHORISED),
        (Answer(404), Outcome.FAILED),
        (receipt(20, epoch=4), Outcome.NOT_A_RECEIPT),
        (Answer(409, b'{"code": "epoch_taken"}', is_sure=True), Outcome.EPOCH_CONFLICT),
        (Answer(409, b'{"code": "epoch_taken"}'), Outcome.FAILED),
        (Answer(413), Outcome.TOO_LARGE),
        (Answer(400, ENVELOPE_BAD, is_sure=True), Outcome.REFUSED),
        (Answer(400, b'{"code": "garbled"}', is_sure=True), Outcome.FAILED),
        (Answer(400, b"Invalid HTTP request received."), Outcome.FAILED),
        (Answer(422, b"[]", is_sure=True), Outcome.FAILED),
        (Answer(429), Outcome.BUSY),
        (Answer(500), Outcome.FAILED),
        (Answer(503), Outcome.BUSY),
        (Answer(0, reason="ConnectTimeout"), Outcome.UNREACHABLE),
    ],
)
def test_nothing_but_a_receipt_acknowledges(answer: Answer, outcome: Outcome) -> None:
    session = Session("gw_1", "events")
    decision = receive(answer, session=session)
    assert decision.outcome is outcome
    assert decision.committed == ()
    assert isinstance(session.next_action(0), Wait) or outcome in (Outcome.TOO_LARGE, Outcome.REFUSED)


def test_failures_wait_longer_and_longer_and_a_receipt_forgives() -> None:
    session = Session("gw_1", "events")
    waits = []
    for _ in range(8):
        receive(Answer(500), session=session)
        action = session.next_action(0)
        assert isinstance(action, Wait)
        waits.append(action.until_ms)
    assert waits == [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]
    receive(receipt(), session=session)
    assert isinstance(session.next_action(0), Send)


def test_a_busy_cloud_is_left_alone_as_long_as_it_asks() -> None:
    session = Session("gw_1", "events")
    session.receive(SENT, Answer(503, retry_after_s=20), 1000, 0.0)
    assert session.next_action(1000) == Wait(21_000)
    assert isinstance(session.next_action(21_000), Send)


def test_a_refused_credential_is_tried_again_twice_a_minute() -> None:
    session = Session("gw_1", "events")
    for _ in range(5):
        receive(Answer(401), session=session)
    assert session.next_action(0) == Wait(30_000)


def test_what_is_too_large_is_halved_down_to_one_record_which_is_then_set_aside() -> None:
    session = Session("gw_1", "events")
    count = MOST_RECORDS["events"]
    while count > 1:
        decision = receive(Answer(413), Sent(5, 11, count, count + 10), session)
        assert decision.quarantine is None
        action = session.next_action(0)
        assert isinstance(action, Send)
        assert action.records == count // 2
        count = action.records
    assert receive(Answer(413), Sent(5, 11, 1, 40), session).quarantine == 11
    assert isinstance(session.next_action(0), Send)


def test_a_lone_record_is_given_up_on_the_clouds_word_alone_or_when_a_proxy_says_too_large_again_and_again() -> None:
    lone, session = Sent(5, 11, 1, 40), Session("gw_1", "events")
    assert receive(Answer(413, is_sure=True), lone).quarantine == 11
    assert receive(Answer(400, ENVELOPE_BAD, is_sure=True), lone).quarantine == 11
    assert [receive(Answer(400, b"Bad Request"), lone, session).quarantine for _ in range(9)] == [None] * 9
    assert [receive(Answer(413), lone, session).quarantine for _ in range(3)] == [None, None, 11]


def test_a_receipt_without_a_digest_is_an_older_clouds_until_one_with_a_digest_came() -> None:
    session, bare = Session("gw_1", "events"), Answer(200, receipt().body)
    assert receive(bare, session=session).outcome is Outcome.COMMITTED
    assert receive(receipt(), session=session).outcome is Outcome.COMMITTED
    assert receive(bare, session=session).outcome is Outcome.NOT_A_RECEIPT


def test_a_credential_refused_once_may_have_been_garbled_on_the_way() -> None:
    session = Session("gw_1", "events")
    receive(Answer(401), session=session)
    assert session.next_action(0) == Wait(1000)


def test_batches_grow_again_with_success() -> None:
    session = Session("gw_1", "samples")
    for _ in range(20):
        session.receive(Sent(5, 11, 100, 200), Answer(0, reason="ReadTimeout"), 0, 0.0)
    assert session.records == 1
    good = Answer(
        200,
        encode_receipt(
            Receipt(
                contract=1, gateway="gw_1", server_time=AT, committed=[Committed(epoch=5, lane="samples", through=20)]
            )
        ),
        is_sure=True,
    )
    for _ in range(11):
        session.receive(SENT, good, 0, 0.0)
    assert session.records == MOST_RECORDS["samples"]


@given(body=st.binary(max_size=400), status=st.integers(100, 599), is_sure=st.booleans())
def test_no_answer_whatever_breaks_the_session(body: bytes, status: int, is_sure: bool) -> None:
    decision = receive(Answer(status, body, is_sure=is_sure))
    assert isinstance(decision.outcome, Outcome)
