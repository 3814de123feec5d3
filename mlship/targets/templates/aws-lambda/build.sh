#!/bin/sh
# Puts the function together: build/ for SAM, and function.zip for whoever uploads it by hand.
# An index of your own, a proxy or a wheelhouse: pip takes PIP_INDEX_URL, HTTPS_PROXY, PIP_CERT, or PIP_NO_INDEX=1 with
# PIP_FIND_LINKS=wheelhouse.
set -eu
python="${PYTHON:-python3}"
rm -rf build function.zip
"$python" -m pip install --quiet --target build --no-compile --no-deps --require-hashes --only-binary :all: \
    --implementation cp --python-version <<python>> --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 -r mlship.lock
# What no function loads.
rm -rf build/bin build/numpy/f2py build/onnxruntime/quantization build/onnxruntime/tools build/onnxruntime/transformers
find build/numpy -type d -name tests -prune -exec rm -rf {} +
cp handler.py model.onnx build/
if [ "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "<<python>>" ]; then
    # Lambda cannot keep what it compiles: a cold start that finds it here is shorter.
    "$python" -m compileall -q --invalidation-mode unchecked-hash build
fi
(cd build && "$python" -m zipfile -c ../function.zip ./*)
"$python" -c '
import os
inside = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk("build") for name in names)
zipped = os.path.getsize("function.zip")
print(f"function.zip: {zipped / 2**20:.1f} MiB of 50, {inside / 2**20:.1f} MiB of 250 unzipped")
if zipped > 50 * 2**20 or inside > 250 * 2**20:
    raise SystemExit("AWS Lambda does not take so much.")
'
