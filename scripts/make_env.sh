#!/bin/sh
# make_env.sh VENV EXTRA: makes the environment VENV where there is none, and installs this package with the extra.
# PYTHON is the Python to use (python3). Says what it does, and on a terminal how long it has been at it.
set -eu

venv=$1
extra=$2
python=${PYTHON:-python3}

die() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

# Runs a command in the background with its time shown; its output is printed only when it fails.
patiently() {
    what=$1
    shift
    printf '%s\n' "$what"
    log=$venv/last-step.log
    "$@" >"$log" 2>&1 &
    pid=$!
    trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
    seconds=0
    while kill -0 "$pid" 2>/dev/null; do
        sleep 1
        seconds=$((seconds + 1))
        if [ -t 1 ]; then
            size=$(du -sm "$venv" 2>/dev/null | cut -f1) || size='?'
            printf '\r  %s s, %s MB ' "$seconds" "$size"
        fi
    done
    [ ! -t 1 ] || printf '\r\033[K'
    if ! wait "$pid"; then
        tail -n 40 "$log" >&2
        die "this step failed: $what. If the network was at fault, run make again; it goes on where it was."
    fi
    rm -f "$log"
}

command -v "$python" >/dev/null 2>&1 || die "there is no $python. Install Python 3.11 or newer (Debian, Ubuntu:
  sudo apt-get install python3 python3-venv), or name another:  make PYTHON=python3.12 demo"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "openset needs Python 3.11 or newer; $python is $("$python" -V 2>&1). Name another:  make PYTHON=python3.12 demo"

if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    printf 'making the environment %s with %s\n' "$venv" "$("$python" -V)"
    if "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv"
    elif "$python" -c 'import venv' 2>/dev/null && "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip "$venv" # Debian keeps ensurepip in a package of its own
        patiently "installing pip into it" "$python" -m pip -q --python "$venv/bin/python" install pip
    else
        die "this Python cannot make environments. On Debian and Ubuntu:  sudo apt-get install python3-venv"
    fi
fi

patiently "installing openset[$extra] and what it needs (with torch this takes minutes, once)" \
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --editable ".[$extra]"
