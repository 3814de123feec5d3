#!/bin/sh
# Deploys the function, for one of:
#   ./deploy.sh http                       requests
#   ./deploy.sh topic TOPIC RESULTS        messages of Pub/Sub
#   ./deploy.sh bucket BUCKET RESULTS      objects of Cloud Storage
# RESULTS is gs://BUCKET/FOLDER/, or for messages also projects/PROJECT/topics/TOPIC. Besides, from the environment:
# NAME, REGION, REJECTS (a place as well, for what the model refuses), KEEP (fields of a record that its result has: all,
# none, or names with commas), LOCATION (of a bucket that is not in REGION, such as eu), SERVICE_ACCOUNT.
set -eu
name="${NAME:-<<slug>>}"
variables="OMP_NUM_THREADS=1"
case "${1:-}:$#" in
    http:1)
        set -- --entry-point=predict --trigger-http --no-allow-unauthenticated --concurrency=8 --timeout=60s
        ;;
    topic:3)
        variables="$variables;MLSHIP_RESULTS=$3${REJECTS:+;MLSHIP_REJECTS=$REJECTS}${KEEP:+;MLSHIP_KEEP=$KEEP}"
        set -- --entry-point=predict_event "--trigger-topic=$2" --retry --concurrency=8 --timeout=60s
        ;;
    bucket:3)
        variables="$variables;MLSHIP_RESULTS=$3${REJECTS:+;MLSHIP_REJECTS=$REJECTS}${KEEP:+;MLSHIP_KEEP=$KEEP}"
        # One object at a time: each may take all of the memory.
        set -- --entry-point=predict_event --trigger-event-filters=type=google.cloud.storage.object.v1.finalized \
            "--trigger-event-filters=bucket=$2" ${LOCATION:+"--trigger-location=$LOCATION"} \
            --retry --concurrency=1 --timeout=540s
        ;;
    *)
        sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
if [ -n "${SERVICE_ACCOUNT:-}" ]; then
    set -- "$@" "--service-account=$SERVICE_ACCOUNT"
fi
cd "$(dirname "$0")"
exec gcloud functions deploy "$name" --gen2 --runtime=python<<runtime>> --region="${REGION:-europe-west1}" --source=. \
    --memory=<<memory>>Mi --cpu=<<cpus>> "--set-env-vars=^;^$variables" "$@" # ^;^ is what stands between them
