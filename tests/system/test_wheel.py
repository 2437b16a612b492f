"""The built wheel serves each side alone: a gateway carries nothing of the cloud, and the cloud nothing of the line."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("contract", "device_profiles", "edge", "cloud", "simulators")
# what only one side may carry → shown to be absent on the other
ABSENT = {
    "edge": ("fastapi", "sqlalchemy", "alembic", "jinja2", "pymodbus", "amqtt"),
    "cloud": ("pymodbus", "aiomqtt", "paho", "serial", "amqtt"),
}

IMPORT_ALL = """
import importlib, importlib.util, pkgutil, sys
side, absent = sys.argv[1], sys.argv[2].split(",")
package = importlib.import_module(side)
assert "site-packages" in package.__file__, package.__file__
def broken(name): raise ImportError(f"{name} cannot be imported")
names = [m.name for m in pkgutil.walk_packages(package.__path__, side + ".", onerror=broken)]
for name in names:
    if not name.endswith("__main__") and ".migrations" not in name:
        importlib.import_module(name)
present = [name for name in absent if name in sys.modules or importlib.util.find_spec(name)]
assert not present, f"{side} carries {present}"
print(len(names))
"""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    result = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    (built,) = folder.glob("plantroom-*.whl")
    return built


def test_the_wheel_carries_the_code_and_its_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        carried = {name for name in archive.namelist() if ".dist-info/" not in name}
    listed = run("git", "ls-files", *PACKAGES).splitlines()
    wanted = {name for name in listed if not Path(name).name.startswith(".") and (ROOT / name).exists()}
    assert wanted <= carried
    assert {name.split("/")[0] for name in carried} == set(PACKAGES)
    assert not [name for name in carried if "__pycache__" in name]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("side", ["edge", pytest.param("cloud", marks=pytest.mark.proof)])
def test_one_side_runs_without_what_belongs_to_the_other(side: str, wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "venv", environment)
    pip = (python, "-m", "pip", "install", "-q", "--disable-pip-version-check")
    run(*pip, "--require-hashes", "-r", f"requirements-{side}.lock")
    # the extra is taken from what the lock brought and from nowhere else, so a gap in the lock shows here
    run(*pip, "--no-index", f"{wheel}[{side}]")
    imported = run(python, "-I", "-c", IMPORT_ALL, side, ",".join(ABSENT[side]), cwd=tmp_path)
    assert int(imported) >= len(list((ROOT / side).glob("*/__init__.py")))
