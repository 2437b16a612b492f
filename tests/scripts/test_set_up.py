"""The set-up scripts work in a folder with a space, do nothing the second time, and say what is missing."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SCRIPTS = sorted((ROOT / "scripts").glob("*.sh"))
# what the scripts themselves call, so that a test's PATH holds nothing else
TOOLS = (
    "bash", "sh", "cat", "cksum", "chmod", "cp", "dirname", "env", "grep", "head", "id", "mkdir", "mv", "pwd", "rm", "sed", "sort",
    "tail", "tee", "tr", "touch", "uname", "wc", "awk", "find", "fc-list",
)  # fmt: skip

FAKE_PYTHON = """#!/bin/sh
# stands in for a Python that can make environments and installs nothing
case "$*" in
  *'sys.version_info < (3, 11)'*) exit 0 ;;
  *ensurepip*) exit 0 ;;
esac
if [ "$1 $2" = "-m venv" ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && exit 0; fi
echo "$*" >> "$CALLS"
"""
FAKE_NPM = """#!/bin/sh
[ "$1" = --version ] && exit 0
echo "$*" >> "$CALLS"
for file in htmx.org/dist/htmx.min.js htmx-ext-sse/dist/sse.min.js uplot/dist/uPlot.iife.min.js uplot/dist/uPlot.min.css; do
  mkdir -p "node_modules/$(dirname $file)" && echo "$file" > "node_modules/$file"
done
"""


class Checkout:
    """A copy of what the scripts read, in a folder with a space, and a PATH that holds only what a test put there."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "plant room"
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        self.root.mkdir()
        self.bin.mkdir()
        self.calls.touch()
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        for name in ("pyproject.toml", "package.json", "package-lock.json", *(p.name for p in ROOT.glob("*.lock"))):
            shutil.copy(ROOT / name, self.root / name)
        for tool in TOOLS:
            if path := shutil.which(tool):
                # a wrapper and not a link: a test that replaces a tool must not write to the machine's own
                self.put(tool, f'#!/bin/sh\nexec {path} "$@"\n')

    def put(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": str(self.bin), "CALLS": str(self.calls), "HOME": str(self.root), "LANG": "C.UTF-8"}
        return subprocess.run(
            [str(self.bin / "bash"), f"scripts/{script}", *arguments],
            cwd=self.root,
            env=variables | environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_valid_bash(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    assert os.access(script, os.X_OK) == (script.name != "common.sh")


def test_an_old_python_is_named_with_what_to_install(checkout: Checkout) -> None:
    checkout.put("python3", '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    result = checkout.run("environment.sh", "runtime")
    assert result.returncode == 2
    assert "Python 3.11 or newer is needed" in result.stderr
    assert "Python 3.9.2" in result.stderr
    assert "apt-get install python3" in result.stderr


def test_a_python_without_venv_is_named_with_what_to_install(checkout: Checkout) -> None:
    checkout.put("python3", FAKE_PYTHON.replace("*ensurepip*) exit 0", "*ensurepip*) exit 1"))
    result = checkout.run("environment.sh", "runtime")
    assert result.returncode == 2
    assert "sudo apt-get install python3-venv" in result.stderr


def test_the_environment_is_made_once(checkout: Checkout) -> None:
    checkout.put("python3", FAKE_PYTHON)
    first = checkout.run("environment.sh", "runtime")
    assert first.returncode == 0, first.stderr
    assert "Installing from requirements.lock" in first.stderr
    installs = [line for line in checkout.calls.read_text().splitlines() if "pip install" in line]
    assert any("--require-hashes -r requirements.lock" in line for line in installs)
    assert any("--no-build-isolation --no-index -e ." in line for line in installs)
    second = checkout.run("environment.sh", "runtime")
    assert second.returncode == 0
    assert second.stderr == ""
    assert [line for line in checkout.calls.read_text().splitlines() if "pip install" in line] == installs


def test_the_developers_environment_serves_the_runtime_too(checkout: Checkout) -> None:
    checkout.put("python3", FAKE_PYTHON)
    assert checkout.run("environment.sh", "dev").returncode == 0
    assert checkout.run("environment.sh", "runtime").stderr == ""


def test_a_changed_lock_is_installed(checkout: Checkout) -> None:
    checkout.put("python3", FAKE_PYTHON)
    checkout.run("environment.sh", "runtime")
    with (checkout.root / "requirements.lock").open("a") as lock:
        lock.write("# moved\n")
    assert "Installing from requirements.lock" in checkout.run("environment.sh", "runtime").stderr


def test_a_moved_checkout_gets_a_new_environment(checkout: Checkout) -> None:
    checkout.put("python3", FAKE_PYTHON)
    checkout.run("environment.sh", "runtime")
    moved = checkout.root.with_name("another room")
    checkout.root.rename(moved)
    checkout.root = moved
    assert "Making the Python environment" in checkout.run("environment.sh", "runtime").stderr


def test_a_failed_install_says_where_to_look_and_is_not_taken_for_ready(checkout: Checkout) -> None:
    checkout.put(
        "python3", FAKE_PYTHON + 'case "$*" in *require-hashes*) echo "ERROR: no route to the index"; exit 1;; esac\n'
    )
    for _ in range(2):
        result = checkout.run("environment.sh", "runtime")
        assert result.returncode == 2
        assert "no route to the index" in result.stderr
        assert ".venv/install.log" in result.stderr


def test_the_browser_files_are_fetched_once(checkout: Checkout) -> None:
    checkout.put("npm", FAKE_NPM)
    assert checkout.run("assets.sh").returncode == 0
    served = {path.name for path in (checkout.root / "cloud/dashboard/static/vendor").iterdir()}
    assert served == {"htmx.min.js", "sse.js", "uPlot.iife.min.js", "uPlot.min.css", ".ready"}
    assert checkout.run("assets.sh").stderr == ""
    assert checkout.calls.read_text().count("ci --omit=dev --ignore-scripts") == 1


def test_what_tests_judge_with_is_fetched_for_developers_only(checkout: Checkout) -> None:
    checkout.put("npm", FAKE_NPM)
    assert checkout.run("assets.sh").returncode == 0
    assert checkout.run("assets.sh", "dev").returncode == 0
    assert checkout.run("assets.sh", "dev").stderr == ""
    assert checkout.run("assets.sh").stderr == ""
    calls = [call for call in checkout.calls.read_text().splitlines() if "ci " in call]
    assert ["--omit=dev" in call for call in calls] == [True, False]


def test_without_npm_node_comes_as_a_wheel(checkout: Checkout) -> None:
    checkout.put("npm of the wheel", FAKE_NPM)
    copy = 'case "$*" in *requirements-node.lock*) cp "$NPM" .venv-node/bin/npm ;; esac\n'
    checkout.put("python3", FAKE_PYTHON + copy)
    result = checkout.run("assets.sh", NPM=str(checkout.bin / "npm of the wheel"))
    assert result.returncode == 0, result.stderr
    assert "fetching Node as a Python wheel" in result.stderr
    assert (checkout.root / "cloud/dashboard/static/vendor/htmx.min.js").exists()


def test_what_could_not_be_installed_is_named_with_its_command(checkout: Checkout) -> None:
    result = checkout.run("system-packages.sh", SYSTEM_PACKAGES="no", CI="false")
    assert result.returncode == 0
    assert "the tests that need them will be skipped: " in result.stderr
    assert "chromium" in result.stderr
    assert "sudo apt-get install --no-install-recommends" in result.stderr


def test_in_ci_a_missing_server_is_a_failure(checkout: Checkout) -> None:
    result = checkout.run("system-packages.sh", SYSTEM_PACKAGES="no", CI="true")
    assert result.returncode == 2
    assert "with CI=true" in result.stderr


def test_a_service_is_not_started_by_its_installation(checkout: Checkout) -> None:
    """Where the machine has no policy of its own, ours exists while apt installs and is gone afterwards."""
    policy = checkout.root / "policy-rc.d"
    checkout.put("id", "#!/bin/sh\necho 0\n")
    checkout.put("apt-get", '#!/bin/sh\nsh "$POLICY_RC_D" 2>/dev/null\necho "$? $*" >> "$CALLS"\n')
    result = checkout.run("system-packages.sh", POLICY_RC_D=str(policy), CI="false")
    installs = [call for call in checkout.calls.read_text().splitlines() if " install " in call]
    assert installs, result.stderr
    assert all(call.startswith("101 ") for call in installs)
    assert not policy.exists()


def test_a_policy_of_the_machine_stays(checkout: Checkout) -> None:
    policy = checkout.root / "policy-rc.d"
    policy.write_text("exit 0\n")
    checkout.put("id", "#!/bin/sh\necho 0\n")
    checkout.put("apt-get", '#!/bin/sh\necho "$*" >> "$CALLS"\n')
    checkout.run("system-packages.sh", POLICY_RC_D=str(policy), CI="false")
    assert " install " in checkout.calls.read_text()
    assert policy.read_text() == "exit 0\n"
