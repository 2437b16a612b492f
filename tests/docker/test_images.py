"""The images are built from pinned bases and hashed locks, hold what they need and run as nobody in particular.

No container engine is asked: what a build would copy and run is checked as text, and the wheel is built from exactly the files that
the build would copy.
"""

import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
IMAGES = ("gateway", "cloud", "simulators")
COMMANDS = {"gateway": "plantroom-edge", "cloud": "plantroom-cloud", "simulators": "plantroom-sim"}


@dataclass
class Stage:
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [text for name, text in self.steps if name == instruction]


def read_stages() -> dict[str, Stage]:
    """The stages by name, build arguments filled in and continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8"))
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        instruction, _, rest = line.partition(" ")
        if instruction == "ARG" and not stages:
            name, _, value = rest.partition("=")
            arguments[f"${{{name}}}"] = value
        elif instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stages[name] = Stage(arguments.get(base, base))
        else:
            list(stages.values())[-1].steps.append((instruction, rest))
    return stages


STAGES = read_stages()


def lineage(name: str) -> list[Stage]:
    """A stage and the stages it is made from, nearest first."""
    found = []
    while name in STAGES:
        found.append(STAGES[name])
        name = STAGES[name].base
    return found


def context_copies(stage: Stage) -> list[tuple[list[str], str]]:
    """What a stage copies from the checkout: sources and target."""
    copies = [text.split() for text in stage.all("COPY") if not text.startswith("--from=")]
    return [(words[:-1], words[-1]) for words in copies]


@pytest.mark.parametrize("name", STAGES)
def test_a_base_is_another_stage_or_a_pinned_version(name: str) -> None:
    base = STAGES[name].base
    assert base in STAGES or re.fullmatch(r"[a-z][\w/-]*:\d+\.\d+\.\d+[\w.-]*", base), base


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_its_command_as_an_ordinary_user(image: str) -> None:
    stage = STAGES[image]
    assert stage.all("USER") == ["10001:10001"]
    assert stage.all("ENTRYPOINT") == [f'["{COMMANDS[image]}"]']
    assert stage.steps.index(("USER", "10001:10001")) > max(
        i for i, (step, _) in enumerate(stage.steps) if step == "COPY"
    )
    owned = " ".join(text for parent in lineage(image) for text in parent.all("RUN"))
    assert "chown -R 10001:10001 /var/lib/plantroom /run/plantroom" in owned


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_carries_an_environment_and_no_tools_or_sources(image: str) -> None:
    copies = [text for stage in lineage(image) for text in stage.all("COPY")]
    assert copies == [f"--from={image}-environment /opt/plantroom /opt/plantroom"]


@pytest.mark.parametrize(
    ("image", "lock"), [("gateway", "edge.lock"), ("cloud", "cloud.lock"), ("simulators", ".lock")]
)
def test_an_image_installs_its_own_hashed_lock(image: str, lock: str) -> None:
    (install, own) = STAGES[f"{image}-environment"].all("RUN")
    assert re.search(rf"--require-hashes -r requirements-?{re.escape(lock)}$", install)
    assert "--no-index --no-deps /dist/plantroom-*.whl" in own


def test_whatever_a_build_copies_is_in_its_context() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = {source for stage in STAGES.values() for copied, _ in context_copies(stage) for source in copied}
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(Path(source.split("/")[0]).match(pattern) for pattern in allowed), (
            f"{source} is kept out by .dockerignore"
        )


def test_the_wheel_is_built_from_what_its_stage_copies(tmp_path: Path) -> None:
    for sources, target in context_copies(STAGES["wheel"]):
        for source in sources:
            place = tmp_path / target / Path(source).name if target.endswith("/") else tmp_path / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
            else:
                shutil.copy(ROOT / source, place)
    vendor = tmp_path / "cloud/dashboard/static/vendor"
    vendor.mkdir(parents=True)
    (vendor / "htmx.min.js").write_text("// from the assets stage\n")
    build = STAGES["wheel"].all("RUN")[-1].replace("python", shlex.quote(sys.executable), 1)
    build = build.replace("/dist", shlex.quote(str(tmp_path / "dist")))
    subprocess.run(["bash", "-c", build], cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "cloud/dashboard/static/vendor/htmx.min.js" in names
    assert "device_profiles/schema.py" in names
