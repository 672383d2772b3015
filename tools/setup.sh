#!/usr/bin/env bash
# Makes what the other targets need: a virtual environment with the pinned packages, and QEMU.
#
#   tools/setup.sh core     packages that build and run systems
#   tools/setup.sh model    those, and what reads models (`nk model`)
#   tools/setup.sh test     all of these, and what the tests need
#   tools/setup.sh qemu     qemu-system-riscv64, installed if this is root on Debian or Ubuntu
#   tools/setup.sh gdb      likewise, a gdb that knows riscv64: tests of the debugger need it, nothing else does
#   tools/setup.sh browser  likewise, Chromium: tests of the dashboard's page need it, nothing else does
#
# Idempotent. The Makefile calls it only when the project's settings or the locked list of packages have changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly venv=.venv
readonly minimum='(3, 11)'

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "setup: $*"
    exit 1
}

# PYTHON, or else the first Python that is new enough.
find_python() {
    local candidate candidates=(python3.11 python3.12 python3.13 python3.14 python3)
    [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        if "$candidate" -c "import sys; sys.exit(sys.version_info < $minimum)" >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON isn't Python 3.11 or newer"
    fail "Python 3.11 or newer is needed and none was found. Debian, Ubuntu: apt-get install python3 python3-venv." \
        "Elsewhere: https://www.python.org/downloads/. PYTHON=/path/to/python make setup names one yourself."
}

make_venv() {
    # An environment that doesn't start (its Python was removed, the folder was moved) is made anew.
    if "$venv/bin/python" -c "import sys, pip; sys.exit(sys.version_info < $minimum)" >/dev/null 2>&1; then
        return
    fi
    local python
    python=$(find_python)
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
        fail "$python has no venv module. Debian, Ubuntu: apt-get install python3-venv"
    rm -rf "$venv"
    say "setup: making $venv with $("$python" --version)"
    "$python" -m venv "$venv"
}

install_packages() {
    make_venv
    say "setup: installing the packages of $1"
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input)
    "${pip[@]}" install --quiet --require-hashes --requirement "$1" </dev/null
    "${pip[@]}" install --quiet --no-deps --no-build-isolation --no-index --editable . </dev/null
}

has_qemu() { command -v qemu-system-riscv64 >/dev/null 2>&1; }

# Which of the commands below is this system's; neokernel/cli/distribution.py decides likewise.
this_system() {
    if [ "$(uname)" = Darwin ]; then
        echo macOS
    elif [ -r /etc/os-release ]; then
        # shellcheck source=/dev/null
        . /etc/os-release
        case " ${ID:-} ${ID_LIKE:-} " in
        *" debian "* | *" ubuntu "*)
            case "${ID:-}:${VERSION_ID:-13}" in
            debian:11* | debian:12*) echo "Debian 12, Ubuntu" ;;
            debian:*) echo "Debian 13" ;;
            *) echo "Debian 12, Ubuntu" ;;
            esac
            ;;
        *" fedora "*) echo Fedora ;;
        *" arch "*) echo Arch ;;
        esac
    fi
}

qemu_hint() {
    say "setup: qemu-system-riscv64 (7.2 or newer) is missing; systems can't be booted without it. As root:"
    local here mark
    here=$(this_system)
    while IFS='|' read -r system command; do
        mark=" "
        [ "$system" = "$here" ] && mark=">"
        say "$(printf '%s %-18s %s' "$mark" "$system" "$command")"
    done <<'END'
Debian 12, Ubuntu|apt-get install qemu-system-misc opensbi
Debian 13|apt-get install qemu-system-riscv opensbi
Fedora|dnf install qemu-system-riscv
Arch|pacman -S qemu-system-riscv
macOS|brew install qemu
END
}

readonly apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120)

has_gdb() { command -v gdb-multiarch || command -v riscv64-unknown-elf-gdb || command -v riscv64-linux-gnu-gdb; }

install_gdb() {
    if has_gdb >/dev/null 2>&1; then
        return
    fi
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        say "setup: no gdb that knows riscv64 (Debian, Ubuntu: apt-get install gdb-multiarch)"
        return 1
    fi
    say "setup: installing gdb with apt-get"
    "${apt[@]}" install -y --no-install-recommends gdb-multiarch </dev/null >&2 && return
    "${apt[@]}" update </dev/null >&2 || true
    "${apt[@]}" install -y --no-install-recommends gdb-multiarch </dev/null >&2
}

# The names that tests look for: tests/network/peers/programs.py has them, too.
has_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome-stable || command -v google-chrome; }

install_browser() {
    if has_browser >/dev/null 2>&1; then
        return
    fi
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        say "setup: no Chromium (Debian: apt-get install chromium)"
        return 1
    fi
    say "setup: installing Chromium with apt-get"
    "${apt[@]}" install -y --no-install-recommends chromium </dev/null >&2 && return
    "${apt[@]}" update </dev/null >&2 || true
    "${apt[@]}" install -y --no-install-recommends chromium </dev/null >&2
}

install_qemu() {
    if has_qemu; then
        return
    fi
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        qemu_hint
        return 1
    fi
    say "setup: installing QEMU with apt-get"
    "${apt[@]}" update </dev/null >&2 || say "setup: apt-get update failed; going on with what is known"
    # Distributions name the package differently, and some ship the firmware apart.
    local package
    for package in qemu-system-riscv qemu-system-misc; do
        "${apt[@]}" install -y --no-install-recommends "$package" </dev/null >&2 && has_qemu && break
    done
    "${apt[@]}" install -y --no-install-recommends opensbi </dev/null >&2 || true
    has_qemu || {
        qemu_hint
        return 1
    }
}

case "${1:-}" in
core) install_packages tools/requirements.txt ;;
model) install_packages tools/requirements-model.txt ;;
test) install_packages tools/requirements-test.txt ;;
qemu) install_qemu ;;
gdb) install_gdb ;;
browser) install_browser ;;
*)
    say "usage: tools/setup.sh core|model|test|qemu|gdb|browser"
    exit 2
    ;;
esac
