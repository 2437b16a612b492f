#!/usr/bin/env bash
# Fetches the dashboard's browser files from npm, checked against package-lock.json, and copies the four that are served.
# `assets.sh dev` also fetches what tests judge with: axe, and Grafana's own schema. They stay in node_modules.
# Uses the machine's npm, or else Node from a Python wheel in .venv-node.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

wanted=${1:-runtime}
case $wanted in
  runtime) omit=(--omit=dev) ;;
  dev) omit=() ;;
  *) stop "assets.sh runtime|dev" ;;
esac
vendor=cloud/dashboard/static/vendor
files=(
  node_modules/htmx.org/dist/htmx.min.js
  node_modules/htmx-ext-sse/dist/sse.min.js
  node_modules/uplot/dist/uPlot.iife.min.js
  node_modules/uplot/dist/uPlot.min.css
)
names=(htmx.min.js sse.js uPlot.iife.min.js uPlot.min.css)

stamp() { cat package-lock.json scripts/assets.sh | cksum; }

is_ready() {
  local name
  [ "$(cat "$vendor/.ready" 2>/dev/null)" = "$(stamp)" ] || return 1
  for name in "${names[@]}"; do [ -s "$vendor/$name" ] || return 1; done
  [ "$wanted" = runtime ] || [ "$(cat node_modules/.ready-dev 2>/dev/null)" = "$(stamp)" ]
}

# Debian's npm and a wheel's npm both need node on the path
use_npm() {
  if npm --version >/dev/null 2>&1; then return; fi
  if [ ! -x .venv-node/bin/npm ] || ! .venv-node/bin/npm --version >/dev/null 2>&1; then
    say "npm is not installed; fetching Node as a Python wheel into .venv-node …"
    make_venv .venv-node
    pip_install .venv-node requirements-node.lock .venv-node/install.log
  fi
  PATH="$PWD/.venv-node/bin:$PATH"
  npm --version >/dev/null 2>&1 || stop "the Node of .venv-node does not run here. Install npm: sudo apt-get install npm"
}

if is_ready; then exit 0; fi
use_npm
say "Fetching the dashboard's browser files (htmx, uPlot) …"
npm ci ${omit[@]+"${omit[@]}"} --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null ||
  stop "the browser files could not be fetched. With a mirror: npm config set registry ADDRESS"
mkdir -p "$vendor"
for index in "${!files[@]}"; do
  cp "${files[index]}" "$vendor/${names[index]}"
done
stamp >"$vendor/.ready"
if [ "$wanted" = dev ]; then stamp >node_modules/.ready-dev; fi
