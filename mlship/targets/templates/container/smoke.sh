#!/bin/sh
# Replays the golden rows: in the image with its own libraries, or, given an address, over HTTP as well.
#   ./smoke.sh [URL]            MLSHIP_TOKEN=... where the server wants a token
set -eu
image="${IMAGE:-<<slug>>:<<tag>>}"
exec docker run --rm --read-only --tmpfs /tmp --network host --env MLSHIP_TOKEN --entrypoint python "$image" \
    -m mlship.targets.smoke /srv/model.onnx "$@"
