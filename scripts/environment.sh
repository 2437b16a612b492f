#!/usr/bin/env bash
# Makes .venv hold what a lock asks for: `environment.sh runtime` (edge, cloud, simulators) or `environment.sh dev` (and the tools).
# Does nothing when it already does: the stamp keeps the checksum of the locks and the place of the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

wanted=${1:-runtime}
case $wanted in
  runtime) lock=requirements.lock ;;
  dev) lock=requirements-dev.lock ;;
  *) stop "environment.sh runtime|dev" ;;
esac

stamp() { { cat "$1" pyproject.toml && pwd; } | cksum; }

is_ready() {
  [ -x .venv/bin/python ] && [ -f ".venv/ready-$1" ] && [ "$(cat ".venv/ready-$1")" = "$(stamp "$2")" ] &&
    .venv/bin/python -I -c 'import edge, cloud, simulators' 2>/dev/null
}

# the developer's lock holds everything of the runtime's
if is_ready dev requirements-dev.lock || is_ready "$wanted" "$lock"; then exit 0; fi

if ! { [ -x .venv/bin/python ] && [ "$(cat .venv/place 2>/dev/null)" = "$PWD" ] && .venv/bin/python -m pip --version >/dev/null 2>&1; }; then
  say "Making the Python environment (.venv) …"
  make_venv .venv
  pwd >.venv/place
fi
rm -f .venv/ready-*
say "Installing from $lock (once; a few minutes with a cold cache) …"
pip_install .venv "$lock" .venv/install.log
.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -e . ||
  stop "this checkout could not be installed into .venv; see the message above"
stamp "$lock" >".venv/ready-$wanted"
