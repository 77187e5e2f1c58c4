#!/bin/sh
# Everything that must hold, in one command:
#   sh tests/run.sh [what to hand on to pytest]     all of it; as root it also installs the Debian packages of some tests
#   sh tests/run.sh quick [...]                     what needs no broker, browser, microphone, PyTorch, recordings or root
# Makes or reuses .venv.
set -eu
cd "$(dirname "$0")/.."

mode=full
if [ "${1:-}" = quick ]; then
    mode=quick
    shift
fi

packages="mosquitto pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins ffmpeg sox flac lame chromium chromium-driver openssl systemd gcc libc6-dev"
missing=""
if [ $mode = full ] && command -v dpkg-query >/dev/null 2>&1; then
    for package in $packages; do
        case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)" in
        *"ok installed"*) ;;
        *) missing="$missing $package" ;;
        esac
    done
fi
if [ -n "$missing" ]; then
    if [ "$(id -u)" -eq 0 ]; then
        echo "installing Debian packages:$missing"
        apt-get update -qq
        # shellcheck disable=SC2086 # a list of words
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing
    else
        echo "not installed, so the tests that need them will fail or be skipped:$missing" >&2
    fi
fi

[ -x .venv/bin/python ] || python3 -m venv .venv
export PIP_DISABLE_PIP_VERSION_CHECK=1
if [ $mode = quick ]; then
    .venv/bin/python -m pip install --quiet --editable '.[dev]'
    exec .venv/bin/python -m pytest -n auto --dist loadfile --ignore tests/training --ignore tests/export \
        -m 'not (broker or browser or compiler or data or encoders or microphone or root or slow or torch)' "$@"
fi
.venv/bin/python -m pip install --quiet torch==2.13.0
.venv/bin/python -m pip install --quiet --editable '.[train,dev]'

# A folder of recordings beside the checkout, if there is one: some tests want real sound, and are skipped without.
if [ -z "${TOCSIN_DATA:-}" ]; then
    for manifest in ../*/data/manifest.csv; do
        if [ -f "$manifest" ]; then
            TOCSIN_DATA="$(cd "$(dirname "$manifest")" && pwd)"
            export TOCSIN_DATA
            break
        fi
    done
fi

# Style, types and the directions of imports are tests too (tests/house), so that the summary speaks of everything.
if [ $# -gt 0 ]; then
    exec .venv/bin/python -m pytest "$@"
fi
.venv/bin/python -m pytest -n auto --dist loadfile --cov --cov-report=
.venv/bin/python -m coverage report --skip-covered --skip-empty --fail-under=90
.venv/bin/python -m coverage report --fail-under=98 \
    --include='edge/frontend/*,edge/detection/*,edge/claps/*,edge/away/*,edge/pipeline/*' | tail -n 1
