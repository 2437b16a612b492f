"""How each device answers, over the last minute."""

from contract.messages import Cause, DeviceHealth
from edge.acquire.health import HealthBoard
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
