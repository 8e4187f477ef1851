#!/usr/bin/env bash
# Installs what the tests need and runs all of them: those of the crate, then those in a real Chromium.
#
#   tests/all.sh
#
# For Debian and Ubuntu, as root or with sudo, with Rust installed. What is there already is left alone. Elsewhere,
# install what it names as missing by other means and run it again. CHROMIUM names a browser that is not on the path.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }
die() { printf '\n%s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

has_chromium() {
  [ -n "${CHROMIUM:-}" ] || has chromium || has chromium-browser || has google-chrome
}

# The packages whose programs are missing.
missing() {
  has cc || echo build-essential
  has curl || echo curl
  [ -x /bin/kill ] || echo procps
  has redis-server || echo redis-server
  has node || echo nodejs
  has npm || echo npm
  has_chromium || echo chromium
}

install_missing() {
  local packages as_root=()
  mapfile -t packages < <(missing)
  [ ${#packages[@]} -gt 0 ] || return 0
  has apt-get || die "missing: ${packages[*]}. There is no apt-get here: install them yourself, then run this again."
  if [ "$(id -u)" -ne 0 ]; then
    has sudo || die "missing: ${packages[*]}. Run this as root, or install them yourself."
    as_root=(sudo)
  fi
  say "installing ${packages[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${packages[@]}" </dev/null
  # The package starts a server of its own. Nobody asked for that one: tests start theirs, on free ports.
  case " ${packages[*]} " in
    *" redis-server "*) stop_redis "${as_root[@]}" ;;
  esac
  mapfile -t packages < <(missing)
  [ ${#packages[@]} -eq 0 ] || die "still missing: ${packages[*]}"
}

stop_redis() {
  if [ -d /run/systemd/system ]; then
    "$@" systemctl disable --now --quiet redis-server || true
  elif [ -x /etc/init.d/redis-server ]; then
    "$@" /etc/init.d/redis-server stop >/dev/null 2>&1 || true
  fi
}

# Adds up cargo's closing lines: "test result: ok. 12 passed; 0 failed; 3 ignored; …".
count() {
  awk '/^test result: / { passed += $4; failed += $6 } END { printf "%d passed, %d failed", passed, failed }' "$1"
}

# cargo_test WHAT ARGS…: runs them all, shows and keeps the output.
cargo_test() {
  local what=$1 log
  shift
  log=$(mktemp "$logs/XXXXXX")
  say "tests $what"
  cargo test --locked "$@" 2>&1 | tee "$log" || failed=yes
  summary+=("$what: $(count "$log")")
}

has cargo || die "Rust is missing: see https://rustup.rs"
install_missing
# npm writes the inner file when it has installed what the outer one says.
lock=package-lock.json
if [ ! tests/browser/node_modules/.$lock -nt tests/browser/$lock ]; then
  say "installing what the browser's tests need"
  npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund </dev/null
fi

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
failed='' summary=()
cargo_test "of the crate" --no-fail-fast
# One at a time: a Chromium each is a machine of this size's fill.
cargo_test "in Chromium" --test browser -- --test-threads=1

say "summary"
printf '%s\n' "${summary[@]}"
[ -z "$failed" ] || die "FAILED"
echo "all tests passed"
