#!/usr/bin/env bash
# The real servers and the browser the tests use: installs what is missing when it may (root or sudo without a password), starts
# no service, and otherwise names what is missing with the command that would install it. Tests skip what is not there.
# With CI=true a missing one is a failure. SYSTEM_PACKAGES=no leaves the machine alone. `--missing` only lists.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

# what the tests look for → the Debian package that holds it
packages=(
  "mosquitto mosquitto"
  "chromium chromium"
  "font:Noto+Sans+CJK+SC fonts-noto-cjk"
  "initdb postgresql"
  "influxd influxdb"
  "victoria-metrics victoria-metrics"
  "docker-compose docker-compose"
)
servers=/usr/sbin:/sbin # where Debian keeps them, off an ordinary user's path
for folder in /usr/lib/postgresql/*/bin; do servers="$servers:$folder"; done

is_present() {
  case $1 in
    font:*) fc-list 2>/dev/null | grep -q "$(tr + ' ' <<<"${1#font:}")" || compgen -G '/usr/share/fonts/*/noto/NotoSansCJK*' >/dev/null ;;
    *) PATH="$PATH:$servers" command -v "$1" >/dev/null 2>&1 ;;
  esac
}

missing_packages() {
  local row
  for row in "${packages[@]}"; do
    is_present "${row% *}" || printf '%s\n' "${row#* }"
  done
}

# Debian asks /usr/sbin/policy-rc.d before it starts a service; ours says no and is gone afterwards
without_services() {
  local status=0
  policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
  if [ -e "$policy" ]; then
    "$@"
    return
  fi
  trap '$as_root rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
  "$@" || status=$?
  $as_root rm -f "$policy"
  return "$status"
}

install_packages() {
  local apt=($as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y) package
  if without_services "${apt[@]}" install --no-install-recommends "$@" >"$log" 2>&1; then return; fi
  "${apt[@]}" update >>"$log" 2>&1 || true
  if without_services "${apt[@]}" install --no-install-recommends "$@" >>"$log" 2>&1; then return; fi
  # one that this release does not have must not keep out the others
  for package in "$@"; do
    without_services "${apt[@]}" install --no-install-recommends "$package" >>"$log" 2>&1 ||
      say "  $package could not be installed (see $log)"
  done
}

mapfile -t missing < <(missing_packages)
if [ "${1:-}" = --missing ]; then
  if [ "${#missing[@]}" -gt 0 ]; then printf '%s\n' "${missing[@]}"; fi
  exit 0
fi
[ "${#missing[@]}" -eq 0 ] && exit 0

as_root=
log=test-output/system-packages.log
if [ "${SYSTEM_PACKAGES:-yes}" != no ] && command -v apt-get >/dev/null 2>&1; then
  if [ "$(id -u)" -eq 0 ]; then
    may_install=yes
  elif sudo -n true >/dev/null 2>&1; then
    may_install=yes as_root="sudo -n"
  fi
fi
if [ "${may_install:-no}" = yes ]; then
  mkdir -p test-output
  say "Installing for the tests, starting no service: ${missing[*]} …"
  install_packages "${missing[@]}"
  mapfile -t missing < <(missing_packages)
  [ "${#missing[@]}" -eq 0 ] && exit 0
fi
say "Not installed, so the tests that need them will be skipped: ${missing[*]}"
say "  to install them: sudo apt-get install --no-install-recommends ${missing[*]}"
if [ "${CI:-}" = true ]; then
  stop "with CI=true every test must run, so a missing package is a failure"
fi
