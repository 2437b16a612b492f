import asyncio
import time

import pytest

from simulators.clock import VirtualClock, VirtualTimeStuck, run_virtual

START_MS = 1_795_000_000_000
YEAR_S = 365 * 86_400


def test_a_year_passes_without_waiting() -> None:
    clock = VirtualClock(START_MS)

    async def year() -> int:
        for _ in range(365):
            await clock.sleep(86_400)
        return clock.now_ms()

    before = time.monotonic()
    assert run_virtual(year()) == START_MS + YEAR_S * 1000
    assert time.monotonic() - before < 5


def test_timers_fire_in_the_order_of_their_time() -> None:
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(sleeper("late", 30.0), sleeper("early", 0.25), sleeper("middle", 29.999))

    run_virtual(main())
    assert [name for name, _ in seen] == ["early", "middle", "late"]
    assert [at for _, at in seen] == pytest.approx([0.25, 29.999, 30.0])


def test_small_sleeps_late_in_the_year_still_end() -> None:
    async def main() -> float:
        await asyncio.sleep(YEAR_S)
        for _ in range(1000):
            await asyncio.sleep(0.001)
        return asyncio.get_running_loop().time() - YEAR_S

    assert run_virtual(main()) == pytest.approx(1.0, abs=0.01)


def test_a_time_limit_runs_in_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.get_running_loop().create_future()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(3600)


def test_waiting_for_nothing_is_an_error_and_not_a_hang() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(VirtualTimeStuck, match="no timer is set"):
        run_virtual(main())


def test_a_thread_is_refused() -> None:
    async def main() -> None:
        await asyncio.to_thread(len, "x")

    with pytest.raises(RuntimeError, match="wants a thread"):
        run_virtual(main())


def test_a_jump_of_the_wall_clock_moves_no_steady_time() -> None:
    clock = VirtualClock(START_MS)

    async def main() -> tuple[int, int]:
        await clock.sleep(1)
        clock.wall_offset_ms = -3_600_000
        moment = clock.moment()
        return moment.wall_ms - START_MS, moment.steady_ms - START_MS

    assert run_virtual(main()) == (1000 - 3_600_000, 1000)
