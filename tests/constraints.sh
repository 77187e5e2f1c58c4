#!/bin/sh
# Write deploy/constraints.txt: the versions that a fresh installation of a device gets today, and that were tested.
set -eu
cd "$(dirname "$0")/.."
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$folder/bin/python" -m pip install --quiet .
{
    echo "# Versions that Tocsin was tested with on $("$folder/bin/python" --version), written by 'sh tests/constraints.sh':"
    echo "#   pip install -c deploy/constraints.txt ."
    "$folder/bin/python" -m pip freeze --exclude tocsin
} >"$folder/constraints.txt"
mv "$folder/constraints.txt" deploy/constraints.txt
