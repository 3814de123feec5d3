#!/bin/sh
# Fills wheelhouse/ with all that mlship.lock lists, on a machine with a network, for installing on one without:
#   ./wheelhouse.sh [PYTHON_VERSION] [x86_64|aarch64]
set -eu
cd "$(dirname "$0")"
version="${1:-3.13}"
machine="${2:-x86_64}"
# Linux with glibc 2.28 or newer; pip takes each of these names by itself only.
set -- --platform "manylinux2014_$machine" # the same as 2_17, and the only name of some
for minor in 17 24 26 27 28; do
    set -- "$@" --platform "manylinux_2_${minor}_$machine"
done
exec "${PYTHON:-python3}" -m pip download --require-hashes --only-binary :all: --no-deps -r mlship.lock \
    --dest wheelhouse --python-version "$version" "$@"
