"""A silent device costs its bus one short probe per back-off."""

from edge.acquire.breaker import LONGEST_BACK_OFF_MS, Breaker, ProbeGate, Verdict


def silent_for(seconds: int, breaker: Breaker, every_ms: int = 1000) -> tuple[list[int], int]:
    """Polls once a second a device that says nothing: when it was asked, and the milliseconds spent waiting."""
    asked, waited = [], 0
    for now in range(0, seconds * 1000, every_ms):
        if breaker.verdict(now) is not Verdict.SKIP:
            asked.append(now // 1000)
            waited += breaker.timeout_ms(1000)
            breaker = breaker.silent(now, every_ms)
    return asked, waited


def test_one_lost_answer_is_tried_again_at_the_next_poll() -> None:
    breaker = Breaker().answered(20).silent(1000, 1000)
    assert breaker.verdict(2000) is Verdict.PROBE
    assert breaker.answered(20).verdict(2000) is Verdict.POLL


def test_the_back_off_doubles_to_its_longest() -> None:
    asked, _ = silent_for(140, Breaker())
    assert asked == [0, 1, 3, 7, 15, 31, 61, 91, 121]
    assert LONGEST_BACK_OFF_MS == 30_000


def test_a_probe_is_short_and_each_fourth_is_patient() -> None:
    breaker = Breaker().answered(40)
    waits = []
    for now in range(6):
        waits.append(breaker.timeout_ms(1000))
        breaker = breaker.silent(now, 1000)
    assert waits == [1000, 160, 160, 160, 1000, 160]
    assert Breaker().silent(0, 1000).timeout_ms(1000) == 300
    assert Breaker().answered(400).silent(0, 1000).timeout_ms(1000) == 1000


def test_a_silent_device_takes_little_of_its_line() -> None:
    _, waited = silent_for(60, Breaker())
    assert waited <= 60_000 * 0.06
    _, waited = silent_for(3600, Breaker())
    assert waited <= 3_600_000 * 0.02


def test_a_slower_device_is_waited_for_longer() -> None:
    breaker = Breaker().answered(20).answered(100).answered(20)
    assert breaker.response_ms == 90


def test_probes_leave_room_for_a_round_of_the_healthy() -> None:
    gate = ProbeGate().after(10_000, 1000)
    assert [gate.allows(now) for now in (10_999, 11_000)] == [False, True]
    assert ProbeGate().after(10_000, None).allows(10_000)
