#!/bin/sh
# Replays the golden rows in the function itself, and compares what it answers. Needs mlship, and AWS's command line:
#   ./smoke.sh FUNCTION_NAME
set -eu
cd "$(dirname "$0")"
python="${PYTHON:-python3}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"$python" -m mlship.targets.smoke model.onnx --say > "$folder/rows.json"
aws lambda invoke --function-name "$1" --cli-binary-format raw-in-base64-out \
    --payload "file://$folder/rows.json" "$folder/answer.json" > "$folder/status.json"
"$python" -m mlship.targets.smoke model.onnx --answer "$folder/answer.json"
