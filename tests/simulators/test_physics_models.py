"""The published models behind the simulated plant, against figures that stand somewhere else than in this code."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.physics.models import battery, hydraulics, motion, power, thermal

MINUTE = 60.0

# IEC 60076-7, annex with the practical example of the exponential equations: ONAF, 25.6 °C, R 1000, top-oil rise 38.3 K,
# winding gradient 14.5 K, hot-spot factor 1.4, oil 12.7 K above ambient at the start. Read from the test of the public
# project alliander-opensource/transformer-thermal-model (tests/model/test_model.py), which allows 1.1 K as well.
IEC_LOADS = ((190, 1.0), (365, 0.6), (500, 1.5), (705, 0.3), (730, 2.1), (745, 0.0))
IEC_TABLE = {
    190: (61.9, 83.8),
    365: (44.4, 54.0),
    500: (89.2, 127.0),
    705: (35.0, 37.54),
    730: (67.9, 138.6),
    745: (60.3, 75.3),
}


def iec_example(step_s: float) -> dict[int, tuple[float, float]]:
    """Top oil and hot spot at the end of each load of the standard's example, in steps of the given length."""
    cooling = thermal.onaf(top_oil_rise=38.3, gradient=14.5 * 1.4, loss_ratio=1000)
    heat, at_min, found = thermal.Heat(25.6 + 12.7, 0.0, 0.0), 0, {}
    for until_min, load in IEC_LOADS:
        for _ in range(round((until_min - at_min) * MINUTE / step_s)):
            heat = thermal.after(cooling, heat, load, 25.6, step_s)
        at_min = until_min
        found[until_min] = (heat.top_oil, heat.hot_spot)
    return found


@pytest.mark.parametrize("minute", IEC_TABLE)
def test_the_worked_example_of_iec_60076_7_is_met_at_the_end_of_every_load(minute: int) -> None:
    top_oil, hot_spot = iec_example(300.0)[minute]
    assert top_oil == pytest.approx(IEC_TABLE[minute][0], abs=1.1)
    assert hot_spot == pytest.approx(IEC_TABLE[minute][1], abs=1.1)


def test_a_step_of_the_thermal_equations_is_exact_however_long() -> None:
    fine, coarse = iec_example(1.0), iec_example(300.0)
    for minute, temperatures in fine.items():
        assert coarse[minute] == pytest.approx(temperatures, abs=1e-6)


def test_the_hot_spot_of_a_large_transformer_overshoots_after_a_step_of_the_load() -> None:
    """The function f2 of IEC 60076-7 rises above 1 while the oil has not got going (k21 = 2)."""
    cooling = thermal.onaf(52, 26, 6)
    cold, end = thermal.steady(cooling, 0.0, 20), thermal.steady(cooling, 1.0, 20)
    gradients = []
    for minute in range(600):
        heat = thermal.after(cooling, cold, 1.0, 20, minute * MINUTE)
        gradients.append((heat.hot_spot - heat.top_oil) / (end.hot_spot - end.top_oil))
    for minute in (1, 10, 30, 100, 300):
        assert gradients[minute] == pytest.approx(2 * (1 - math.exp(-minute / 14)) - (1 - math.exp(-minute / 75)))
    assert max(gradients) == pytest.approx(1.47, abs=0.01)
    assert 20 < gradients.index(max(gradients)) < 60
    assert gradients[-1] == pytest.approx(1.0, abs=0.02)


def test_a_distribution_transformer_at_rated_load_ends_at_its_rated_rises() -> None:
    cooling = thermal.distribution(top_oil_rise=55, gradient=23)
    heat = thermal.after(cooling, thermal.steady(cooling, 0, 20), 1.0, 20, 14 * 86_400)
    assert [heat.top_oil, heat.hot_spot] == pytest.approx([75, 98])
    after_one = thermal.after(cooling, thermal.Heat(20, 0, 0), 1.0, 20, 180 * MINUTE)
    assert (after_one.top_oil - 20) / 55 == pytest.approx(1 - 1 / math.e)


@pytest.mark.parametrize(
    ("hot_spot", "rate"), [(80, 0.125), (92, 0.5), (98, 1.0), (104, 2.0), (110, 4.0), (116, 8.0), (140, 128.0)]
)
def test_normal_paper_ages_twice_as_fast_every_six_kelvin(hot_spot: float, rate: float) -> None:
    """IEC 60076-7, table of the relative ageing rate of non-upgraded paper (80 °C: 0.125, 98 °C: 1.0, 140 °C: 128)."""
    assert thermal.ageing(hot_spot) == pytest.approx(rate)


def test_a_dry_winding_covers_63_percent_of_a_step_in_one_time_constant() -> None:
    cooling = thermal.Dry(rise=80, exponent=1.6, time_constant_s=45 * MINUTE)
    assert thermal.dry_steady(cooling, 1.0, 40) == 120
    assert thermal.dry_after(cooling, 40, 1.0, 40, 45 * MINUTE) == pytest.approx(40 + 80 * 0.6321, abs=0.01)


def test_fans_start_and_stop_at_different_temperatures() -> None:
    fans, running, seen = thermal.Fans(on_c=95, off_c=80), False, []
    for temperature in (70, 90, 96, 90, 81, 79, 90):
        running = fans.run(temperature, were_running=running)
        seen.append(running)
    assert seen == [False, False, True, True, True, False, False]


# Affinity laws: half the speed gives half the flow, a quarter of the head and an eighth of the power
# (Hydraulic Institute; any pump handbook).
@pytest.mark.parametrize(
    ("speed", "flow", "head", "shaft"), [(1.0, 20, 40, 8), (0.8, 16, 25.6, 4.096), (0.5, 10, 10, 1)]
)
def test_flow_head_and_power_follow_the_affinity_laws(speed: float, flow: float, head: float, shaft: float) -> None:
    assert hydraulics.affine(20, speed, 1) == pytest.approx(flow)
    assert hydraulics.affine(40, speed, 2) == pytest.approx(head)
    assert hydraulics.affine(8, speed, 3) == pytest.approx(shaft)


PUMP = hydraulics.PumpCurve(shut_off_head=50, head_loss=0.03, best_flow=20, best_efficiency=0.72)


@given(speed=st.floats(0.3, 1.2), flow=st.floats(4.5, 30))
def test_a_pump_at_another_speed_works_at_its_affine_point(speed: float, flow: float) -> None:
    assert PUMP.head(flow * speed, speed) == pytest.approx(hydraulics.affine(PUMP.head(flow), speed, 2))
    assert PUMP.efficiency(flow * speed, speed) == pytest.approx(PUMP.efficiency(flow))
    assert PUMP.shaft_power(flow * speed, speed) == pytest.approx(hydraulics.affine(PUMP.shaft_power(flow), speed, 3))


def test_power_of_a_pump_is_that_of_its_water_over_its_efficiency() -> None:
    """20 m³/h to 38 m at 72 %: 20 · 38 · 9.80665 / 3600 / 0.72 = 2.875 kW."""
    assert PUMP.head(20) == 38
    assert PUMP.shaft_power(20) == pytest.approx(2.875, abs=0.001)


def test_pump_and_pipes_meet_where_both_curves_cross() -> None:
    pipes = hydraulics.System(static_head=20, friction=0.02)
    flow = hydraulics.duty_point(PUMP, pipes)
    assert flow == pytest.approx(math.sqrt(30 / 0.05))
    assert PUMP.head(flow) == pytest.approx(pipes.head(flow))
    assert hydraulics.duty_point(PUMP, pipes, speed=0.6) == 0, "too slow to lift 20 m"


@given(head=st.floats(10, 45), flow=st.floats(0, 25))
def test_the_speed_for_a_head_gives_that_head(head: float, flow: float) -> None:
    assert PUMP.head(flow, PUMP.speed_for(head, flow)) == pytest.approx(head)


def test_a_leaking_vessel_reaches_a_pressure_after_its_decay_time() -> None:
    seconds = hydraulics.decay_time(0.9, 0.8, 0.4, 6000)
    assert seconds == pytest.approx(6000 * math.log(1.25))
    assert hydraulics.decayed(0.9, 0.4, seconds, 6000) == pytest.approx(0.8)


# A textbook correction: 100 kW from power factor 0.70 to 0.95 takes 69.1 kvar (multiplier 0.691 in every capacitor
# maker's table), from 0.80 to 0.95 takes 42.1 kvar (0.421), from 0.78 to 0.96 takes 51.1 kvar (0.511).
@pytest.mark.parametrize(("before", "after", "kvar"), [(0.70, 0.95, 69.1), (0.80, 0.95, 42.1), (0.78, 0.96, 51.1)])
def test_capacitors_needed_for_a_better_power_factor(before: float, after: float, kvar: float) -> None:
    assert power.needed(100, before, after) == pytest.approx(kvar, abs=0.1)


def test_each_stage_moves_the_power_triangle_by_its_own_share() -> None:
    """100 kW at 0.70 lagging draws 102.0 kvar; each stage takes 12.5 kvar of them: cos(atan((102.02 - 12.5 n) / 100))."""
    bank, bare = power.Bank(stages=8, stage=12.5), 100 * power.tangent(0.70)
    assert bare == pytest.approx(102.0, abs=0.1)
    factors = [power.factor(100, bare - bank.given(on)) for on in range(9)]
    assert factors == pytest.approx([0.700, 0.745, 0.792, 0.840, 0.887, 0.930, 0.965, 0.990, 1.000], abs=0.001)
    assert bank.ideal(power.needed(100, 0.70, 0.96)) == 6


def test_a_controller_leaves_well_alone_within_its_band_and_so_does_not_hunt() -> None:
    bank, on, switchings = power.Bank(stages=8, stage=10), 3, 0
    for look in range(100):
        after = bank.switched(on, 35 + 1.4 * math.sin(look))
        switchings += after != on
        on = after
    assert switchings == 0
    assert bank.switched(3, 37) == 4
    assert bank.switched(3, 500) == 8
    assert bank.switched(3, -5) == 0


def test_capacitors_give_less_at_a_lower_voltage() -> None:
    assert power.Bank(8, 10).given(8, voltage=0.9) == pytest.approx(64.8)


def test_a_battery_gives_its_nameplate_in_ten_hours_and_less_when_it_is_hurried() -> None:
    """Peukert: 100 Ah at ten hours; with 1.15 at five times the current 10 / 5**1.15 = 1.571 h, 78.6 Ah."""
    of = battery.Battery(capacity_ah=100)
    assert of.lasts_h(10) == pytest.approx(10)
    assert of.lasts_h(50) == pytest.approx(1.571, abs=0.001)
    assert of.charge(10, 5) == pytest.approx(0.5)
    assert of.charge(10, 20) == 0
    assert battery.Battery(100, health=0.8).lasts_h(10) == pytest.approx(8)


def test_a_cell_falls_all_the_way_of_its_discharge_and_collapses_at_the_end() -> None:
    of = battery.Battery(100)
    volts = [of.cell_v(charge / 20, 10) for charge in range(20, -1, -1)]
    assert volts == sorted(volts, reverse=True)
    assert volts[0] == pytest.approx(2.11, abs=0.02)
    assert volts[-1] < 1.92
    assert volts[-2] - volts[-1] > 2 * (volts[0] - volts[1])


def test_float_voltage_is_corrected_for_warmth() -> None:
    """2.25 V per cell at 25 °C, 3 mV less for each kelvin more (makers of sealed lead-acid batteries)."""
    assert battery.float_v(25) == 2.25
    assert battery.float_v(35) == pytest.approx(2.22)


def test_a_battery_ages_to_four_fifths_in_its_design_life_and_in_half_of_it_ten_kelvin_warmer() -> None:
    assert battery.aged(10, 20) == pytest.approx(0.8)
    assert battery.aged(5, 30) == pytest.approx(0.8)


def test_charging_again_takes_hours() -> None:
    assert battery.recharged(0.4, 0) == pytest.approx(0.4)
    assert battery.recharged(0.4, 24) > 0.999


@given(distance=st.floats(0.5, 300), rated=st.floats(0.5, 10), share=st.floats(0, 1))
def test_speed_is_the_slope_of_the_way_travelled(distance: float, rated: float, share: float) -> None:
    run = motion.Run(distance, rated)
    at, step = share * run.lasts_s, 1e-4
    slope = (run.travelled(at + step) - run.travelled(at - step)) / (2 * step)
    assert slope == pytest.approx(run.speed(at), abs=0.01)
    assert 0 <= run.travelled(at) <= distance + 1e-9
    assert run.speed(at) <= rated
    assert run.travelled(run.lasts_s) == distance


def test_a_run_speeds_up_travels_and_slows_down_in_bacnet_words() -> None:
    run = motion.Run(distance=30, rated_speed=1.75)
    assert run.lasts_s == pytest.approx(30 / 1.75 + 1.75 / 0.8)
    words = [run.drive(at) for at in (0, 1, 10, run.lasts_s - 1, run.lasts_s)]
    assert words == ["stationary", "accelerate", "rated_speed", "decelerate", "stationary"]
    assert motion.Run(3, 6).top_speed == pytest.approx(math.sqrt(2.4)), "one floor is too short for full speed"


def test_a_door_opens_stays_and_closes() -> None:
    door = motion.Door()
    assert [door.status(at) for at in (0, 2.9, 3, 8.9, 9, 11.9, 12)] == [
        "opening", "opening", "open", "open", "closing", "closing", "closed",
    ]  # fmt: skip
