#!/bin/sh
# Puts the function together: build/ for SAM, and function.zip for whoever uploads it by hand.
# An index of your own, a proxy or a wheelhouse: pip takes PIP_INDEX_URL, HTTPS_PROXY, PIP_CERT, or PIP_NO_INDEX=1 with
# PIP_FIND_LINKS=wheelhouse.
set -eu
cd "$(dirname "$0")"
python="${PYTHON:-python3}"
rm -rf build function.zip
"$python" -m pip install --quiet --target build --no-compile --no-deps --require-hashes --only-binary :all: \
    --implementation cp --python-version <<python>> --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 -r mlship.lock
# What no function loads.
rm -rf build/bin build/numpy/f2py build/onnxruntime/quantization build/onnxruntime/tools build/onnxruntime/transformers
rm -rf build/mlship/export build/numpy/_core/include
find build/numpy -type d -name tests -prune -exec rm -rf {} +
find build/numpy -name '*.pyi' -exec rm {} +
cp handler.py model.onnx build/
if [ "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "<<python>>" ]; then
    # Lambda cannot keep what it compiles: a cold start that finds it here is shorter.
    "$python" -m compileall -q --invalidation-mode unchecked-hash build
fi
"$python" -c '
import pathlib, zipfile
files = sorted(path for path in pathlib.Path("build").rglob("*") if path.is_file())
with zipfile.ZipFile("function.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    for path in files:
        entry = zipfile.ZipInfo(str(path.relative_to("build")))  # of 1980: the same files give the same zip
        entry.external_attr = 0o644 * 2**16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, path.read_bytes(), compresslevel=9)
inside = sum(path.stat().st_size for path in files)
zipped = pathlib.Path("function.zip").stat().st_size
print(f"function.zip: {zipped / 2**20:.1f} MiB of 50, {inside / 2**20:.1f} MiB of 250 unzipped")
if zipped > 50 * 2**20 or inside > 250 * 2**20:
    raise SystemExit("AWS Lambda does not take so much.")
'
