#!/bin/sh
# Replays the golden rows here and at the function's address, and compares what it answers. Needs mlship and gcloud:
#   ./smoke.sh https://...
set -eu
cd "$(dirname "$0")"
MLSHIP_TOKEN="$(gcloud auth print-identity-token)"
export MLSHIP_TOKEN
exec "${PYTHON:-python3}" -m mlship.targets.smoke model.onnx "$1"
