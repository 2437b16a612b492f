import unicodedata

import pytest

from simulators.demo_lines import FaultLine, Language, fault_line, language_of, say


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({}, "en"),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
    ],
)
def test_the_language_is_the_terminals(environment: dict[str, str], wanted: str) -> None:
    assert language_of(environment) == wanted


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_text_exists_in_both_languages(language: Language) -> None:
    figures = {"faults": 1, "tickets": 1, "missing": 0, "unexpected": 0, "p50": 1, "p99": 2}
    assert "p99 2 ms" in say("summary", language, **figures)


@pytest.mark.parametrize("columns", [40, 60, 100])
@pytest.mark.parametrize(
    "words", ["Capacitor stages drop out of the bank for good", "电容器组脱落，功率因数低于规定的限值"]
)
def test_a_line_never_wraps(words: str, columns: int) -> None:
    text = fault_line(FaultLine("08:30:05", words, words, words), columns)
    width = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    assert width <= columns


def test_a_line_names_equipment_fault_and_outcome() -> None:
    assert fault_line(FaultLine("08:30:05", "Lift 1", "Door jams", "T-000001"), 120).split() == (
        ["08:30:05", "Lift", "1", "·", "Door", "jams", "→", "T-000001"]
    )
