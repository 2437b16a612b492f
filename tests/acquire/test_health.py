"""How each device answers, over the last minute."""

from contract.messages import Cause, DeviceHealth
from edge.acquire.frames import Read
from edge.acquire.health import MOST_READS, HealthBoard
from edge.decode.sample import Moment


def at(second: float) -> Moment:
    return Moment(wall_ms=1_795_000_000_000 + round(second * 1000), steady_ms=round(second * 1000))


def row(board: HealthBoard, second: float) -> DeviceHealth:
    return board.rows(at(second))[0]


def test_a_device_that_was_never_asked_is_not_yet() -> None:
    assert row(HealthBoard(["a"]), 0) == DeviceHealth(device="a", state="not_yet", answered_share=0.0)


def test_an_answering_device_is_ok_with_its_response_time() -> None:
    board = HealthBoard(["a"])
    board.answered("a", at(1), 10)
    board.answered("a", at(2), 20)
    assert row(board, 2) == DeviceHealth(
        device="a", state="ok", answered_share=1.0, last_ok_at="2026-11-18T11:06:42.000Z", response_ms=12.0
    )


def test_the_share_counts_the_last_minute_only() -> None:
    board = HealthBoard(["a"])
    for second in range(30):
        board.failed("a", at(second), Cause.NO_RESPONSE, "no answer")
    assert (row(board, 30).state, row(board, 30).answered_share) == ("silent", 0.0)
    for second in range(30, 60):
        board.answered("a", at(second))
    assert (row(board, 60).state, row(board, 60).answered_share) == ("degraded", 0.5455)
    assert (row(board, 95).state, row(board, 95).answered_share, row(board, 95).errors) == ("ok", 1.0, 30)


def test_the_state_tells_silence_from_a_line_that_is_down_and_from_errors() -> None:
    board = HealthBoard()
    states = []
    for cause in (Cause.NO_RESPONSE, Cause.NOT_CONNECTED, Cause.EXCEPTION, Cause.UNDECODABLE):
        board.failed("a", at(0), cause, f"because {cause}")
        states.append((row(board, 0).state, row(board, 0).last_error))
    assert states == [
        ("silent", "because no_response"), ("not_connected", "because not_connected"), ("degraded", "because exception"),
        ("degraded", "because undecodable"),
    ]  # fmt: skip


def test_skipped_polls_are_counted() -> None:
    board = HealthBoard(["a"])
    board.skipped("a", 3)
    assert board.skips("a") == 3


def test_the_same_trouble_in_a_row_is_one_with_its_number_and_five_are_kept() -> None:
    board = HealthBoard(["a"])
    for second in range(3):
        board.failed("a", at(second), Cause.NO_RESPONSE, "no answer")
    board.failed("a", at(9), Cause.EXCEPTION, "exception 2")
    (told,) = board.told(board.rows(at(10)), ())
    assert [(one.cause, one.times, one.at[-11:]) for one in told.recent] == [
        (Cause.EXCEPTION, 1, ":06:49.000Z"), (Cause.NO_RESPONSE, 3, ":06:42.000Z"),
    ]  # fmt: skip
    for second in range(10):
        board.failed("a", at(second), Cause.EXCEPTION, f"exception {second}")
    assert len(board.told(board.rows(at(10)), ())[0].recent) == 5


def test_the_last_answer_to_each_request_is_told_as_it_came() -> None:
    board = HealthBoard(["a"])
    board.heard("a", at(0), Read(4, 0, 2), bytes.fromhex("00000000"))
    board.heard("a", at(1), Read(4, 0, 2), bytes.fromhex("43666666"))
    board.heard("a", at(2), Read(1, 16, 9), b"\x05\x01")
    board.heard("a", at(3), "lifts/lift_1", b'{"floor": 3}')
    (told,) = board.told(board.rows(at(4)), {"a"})
    assert [(one.where, one.raw) for one in told.reads] == [
        ("input 0x0000-0x0001", "4366 6666"), ("coil 0x0010-0x0018", "05 01"), ("lifts/lift_1", '{"floor": 3}'),
    ]  # fmt: skip
    assert board.told(board.rows(at(4)), ())[0].reads == []


def test_answers_of_a_plan_of_old_give_way() -> None:
    board = HealthBoard(["a"])
    for address in range(MOST_READS + 3):
        board.heard("a", at(address), Read(3, address, 1), b"\0\0")
    assert len(board.told(board.rows(at(99)), {"a"})[0].reads) == MOST_READS
