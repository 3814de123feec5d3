#!/bin/sh
# Registers the job definition:
#   IMAGE=ACCOUNT.dkr.ecr.REGION.amazonaws.com/<<slug>>:<<tag>> \
#   JOB_ROLE=arn:aws:iam::ACCOUNT:role/... EXECUTION_ROLE=arn:aws:iam::ACCOUNT:role/... ./register.sh
set -eu
: "${IMAGE:?}" "${JOB_ROLE:?}" "${EXECUTION_ROLE:?}"
case "$IMAGE$JOB_ROLE$EXECUTION_ROLE" in
    *[!A-Za-z0-9._/:@=+,-]*) echo "IMAGE, JOB_ROLE or EXECUTION_ROLE has a character that none of them can have." >&2; exit 2 ;;
esac
definition=$(mktemp)
trap 'rm -f "$definition"' EXIT
sed -e "s|\"IMAGE\"|\"$IMAGE\"|" -e "s|\"JOB_ROLE\"|\"$JOB_ROLE\"|" -e "s|\"EXECUTION_ROLE\"|\"$EXECUTION_ROLE\"|" \
    "$(dirname "$0")/job-definition.json" > "$definition"
aws batch register-job-definition --cli-input-json "file://$definition"
