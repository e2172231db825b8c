#!/bin/sh
# Sees to it that this machine has what Shopwindow is built from and runs on: `setup.sh`, and for the tests
# `setup.sh tests`, for the benchmarks `setup.sh bench`. Installs what is missing with apt where it may, else says
# what to install. Silent when nothing is.
set -eu

missing= packages=
need() { missing="${missing:+$missing, }$1"; packages="$packages $2"; }
has() { command -v "$1" >/dev/null 2>&1; }
has_file() { for file; do if [ -x "$file" ]; then return; fi; done; false; }

check() {
    missing= packages= rust=
    has cargo || has_file "$HOME/.cargo/bin/cargo" || rust="Rust, see https://rustup.rs"
    has cc && has make || need "a C compiler" build-essential
    has pkg-config || need pkg-config pkg-config
    has pkg-config && pkg-config --exists openssl || need OpenSSL libssl-dev
    has pkg-config && pkg-config --exists zlib || need zlib zlib1g-dev
    has java || need Java default-jre-headless
    has mvn || need Maven maven
    has postgres || has_file /usr/lib/postgresql/*/bin/postgres || need PostgreSQL postgresql
    has node || need Node.js nodejs
    has npm || need npm npm
    if [ "${1-}" = tests ]; then
        has chromium || need Chromium chromium
        has chromedriver || need ChromeDriver chromium-driver
        has python3 || need Python python3
    fi
    if [ "${1-}" = bench ]; then
        # Debian's Python leaves out what venv needs
        python3 -c 'import ensurepip' 2>/dev/null || need "Python with venv" "python3 python3-venv"
    fi
}

fail() { echo "setup: $*" >&2; exit 1; }

check "$@"
if [ -n "$packages" ]; then
    if [ "$(id -u)" = 0 ]; then as_root=
    elif sudo -n true 2>/dev/null; then as_root="sudo -n"
    else as_root=no
    fi
    if [ "$as_root" = no ] || ! has apt-get; then
        fail "missing: $missing${rust:+, and $rust}. Install with: sudo apt-get install$packages"
    fi
    echo "setup: installing$packages"
    # Debian starts a server with its package, on the port of ours; nobody has asked for that one.
    quiet=/etc/postgresql-common/createcluster.d/shopwindow.conf
    case $packages in *postgresql*)
        $as_root mkdir -p "${quiet%/*}"
        echo "create_main_cluster = false" | $as_root tee "$quiet" >/dev/null
        trap '$as_root rm -f "$quiet"' EXIT
    esac
    $as_root apt-get update -qq || echo "setup: the package lists could not be updated" >&2
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get install -qq -y --no-install-recommends $packages >/dev/null
    check "$@"
    [ -z "$packages" ] || fail "still missing after the installation: $missing"
fi

[ -z "$rust" ] || fail "missing: $rust"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || fail "Node.js $(node --version) is too old: 18 or newer is needed, see https://nodejs.org"
