# Shared by the set-up scripts: what they say, and how they stop. Sourced, never run.
# Progress goes to standard error, so that the output of what follows stays clean.

say() { printf '%s\n' "$*" >&2; }

# stop MESSAGE… : one clear message, exit code 2 (misconfigured)
stop() {
  printf 'plantroom: %s\n' "$*" >&2
  exit 2
}

# find_python : the first Python on the path that is new enough, or a message that says what to install
find_python() {
  local name
  for name in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$name" >/dev/null 2>&1 &&
      "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      command -v "$name"
      return
    fi
  done
  stop "Python 3.11 or newer is needed and none was found (python3 is $(python3 --version 2>&1 || true))." \
    "Install one, for instance: sudo apt-get install python3 python3-venv; or name it: make setup PYTHON=/path/to/python3.12"
}

# make_venv DIRECTORY : a fresh virtual environment; replaces one that is broken
make_venv() {
  local python
  python=$(find_python)
  "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
    stop "$python has no venv module. Install it: sudo apt-get install python3-venv"
  rm -rf "$1"
  "$python" -m venv "$1" || stop "could not make a virtual environment in $1; see the message above"
}

# pip_install DIRECTORY LOCK LOG : installs a hashed lock, telling how far it is
pip_install() {
  local total started
  total=$(grep -cE '^[A-Za-z0-9]' "$2")
  started=$SECONDS
  if ! "$1/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
    --require-hashes -r "$2" 2>&1 | tee "$3" | count_packages "$total"; then
    grep -vE '^(Collecting|  Using cached|  Downloading|Requirement already)' "$3" | tail -n 15 >&2
    stop "the packages of $2 could not be installed (all of it: $3)." \
      "Behind a proxy or with a mirror, set it the usual way: pip config set global.index-url ADDRESS"
  fi
  say "  $total packages in $((SECONDS - started)) s"
}

# count_packages TOTAL : reads pip's output, shows a running count on a terminal
count_packages() {
  local line seen=0
  while IFS= read -r line; do
    case $line in
      Collecting*)
        seen=$((seen + 1))
        if [ -t 2 ]; then printf '\r\033[K  %d of %d  %s' "$seen" "$1" "${line#Collecting }" >&2; fi
        ;;
      Installing*) if [ -t 2 ]; then printf '\r\033[K  unpacking …' >&2; fi ;;
    esac
  done
  if [ -t 2 ]; then printf '\r\033[K' >&2; fi
}
