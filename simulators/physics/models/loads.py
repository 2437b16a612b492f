"""physics: when people use a building: shares by hour of a working day and of a day of rest (pure)."""

from __future__ import annotations

from simulators.physics.calendar import Profile

_NIGHT = (0.06, 0.05, 0.04, 0.04, 0.05, 0.08)
_REST = (
    *_NIGHT,
    0.12,
    0.18,
    0.26,
    0.32,
    0.36,
    0.38,
    0.38,
    0.36,
    0.36,
    0.36,
    0.35,
    0.34,
    0.34,
    0.32,
    0.28,
    0.22,
    0.15,
    0.10,
)

ELECTRICITY = Profile(
    (
        *_NIGHT,
        0.18,
        0.38,
        0.66,
        0.82,
        0.89,
        0.92,
        0.84,
        0.88,
        0.96,
        1.00,
        0.97,
        0.88,
        0.72,
        0.55,
        0.42,
        0.30,
        0.20,
        0.12,
    ),
    _REST,
)
"""Offices and shops: low at night, two humps by day, less on days of rest."""
WATER = Profile(
    (0.05, 0.02, 0.02, 0.02, 0.02, 0.12, 0.45, 0.85, 0.95, 0.80, 0.70, 0.78, 0.88, 0.74, 0.66, 0.64, 0.68, 0.80, 0.92, 0.86,
     0.72, 0.55, 0.34, 0.15),
    (0.05, 0.02, 0.02, 0.02, 0.02, 0.05, 0.20, 0.45, 0.70, 0.82, 0.84, 0.86, 0.84, 0.72, 0.64, 0.64, 0.70, 0.80, 0.86, 0.80,
     0.68, 0.50, 0.32, 0.15),
)  # fmt: skip
"""People at home and at work: next to nothing in the small hours, crests in the morning, at noon and in the evening."""
LIFTS = Profile(
    (0.05, 0.03, 0.03, 0.03, 0.03, 0.06, 0.20, 0.70, 0.95, 0.75, 0.45, 0.60, 0.80, 0.65, 0.45, 0.45, 0.55, 0.90, 0.95, 0.60,
     0.40, 0.30, 0.20, 0.10),
    (0.05, 0.03, 0.03, 0.03, 0.03, 0.05, 0.10, 0.20, 0.30, 0.38, 0.42, 0.45, 0.45, 0.42, 0.40, 0.40, 0.42, 0.42, 0.40, 0.35,
     0.30, 0.24, 0.16, 0.10),
)  # fmt: skip
"""Trips: up-peak in the morning, both ways at noon, down-peak in the evening."""
UP_PEAK_H, DOWN_PEAK_H = (7.0, 9.5), (16.5, 19.0)
