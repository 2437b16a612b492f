"""What the machine says of itself, from stand-ins of the kernel's files."""

from pathlib import Path

from edge.machine import Look

STAT = "cpu  {user} 0 100 {idle} 50 0 0 0 0 0\ncpu0 1 2 3 4\n"
MEMINFO = "MemTotal:        1000000 kB\nMemFree:          100000 kB\nMemAvailable:     350000 kB\n"


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


def test_load_is_what_happened_since_the_look_before(tmp_path: Path) -> None:
    look = Look(tmp_path, tmp_path)
    write(tmp_path, "proc/stat", STAT.format(user=100, idle=1000))
    assert look().cpu_load is None
    write(tmp_path, "proc/stat", STAT.format(user=175, idle=1025))
    assert look().cpu_load == 75.0
    assert look().cpu_load is None, "no time passed, so nothing is known"


def test_memory_is_what_new_programs_could_not_have(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", MEMINFO)
    assert Look(tmp_path, tmp_path)().memory_used == 65.0


def test_the_warmest_sensor_counts_and_a_broken_one_does_not(tmp_path: Path) -> None:
    for number, text in enumerate(("48000\n", "61500\n", "no number")):
        write(tmp_path, f"sys/class/thermal/thermal_zone{number}/temp", text)
    assert Look(tmp_path, tmp_path)().temperature == 61.5


def test_what_a_machine_does_not_offer_is_not_invented(tmp_path: Path) -> None:
    write(tmp_path, "proc/stat", "cpu what\n")
    write(tmp_path, "proc/meminfo", "MemTotal: many\n")
    found = Look(tmp_path / "nowhere", tmp_path)()
    assert (found.disk_free, found.cpu_load, found.memory_used, found.temperature) == (None, None, None, None)


def test_this_machine_has_a_disk_and_memory(tmp_path: Path) -> None:
    found = Look(tmp_path)()
    assert found.disk_free is not None
    assert 0 <= found.disk_free <= 100
    assert found.memory_used is not None
    assert 0 < found.memory_used <= 100
