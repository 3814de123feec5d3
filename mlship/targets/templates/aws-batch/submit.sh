#!/bin/sh
# Scores a folder of S3 into another, with as many children as there are files, up to MOST (10000 at most):
#   QUEUE=... ./submit.sh s3://bucket/in/ s3://bucket/out/
# Run again after a failure, it takes up what is not done; when all is done, it scores anew what has changed since.
set -eu
: "${QUEUE:?the name of a job queue}"
input=${1:?s3://bucket/in/} output=${2:?s3://bucket/out/} most=${MOST:-1000}
case "$input" in s3://?*/*) ;; *) echo "The input is s3://BUCKET/FOLDER/ or s3://BUCKET/FILE." >&2; exit 2 ;; esac
case "$output" in s3://?*/) ;; *) echo "The output is s3://BUCKET/FOLDER/." >&2; exit 2 ;; esac
case "$input$output$QUEUE${DEFINITION:-}" in
    *[\"\\]*) echo "A name has a quotation mark or a backslash, which this script cannot write." >&2; exit 2 ;;
esac
case "$most" in "" | 0* | *[!0-9]*) echo "MOST is a number." >&2; exit 2 ;; esac
[ "$most" -le 10000 ] || most=10000

size=1
case "$input" in
    */)
        place=${input#s3://}
        bucket=${place%%/*} folder=${place#*/}
        names=$(aws s3api list-objects-v2 --bucket "$bucket" --prefix "$folder" --query "Contents[].[Key]" --output text)
        # What mlship takes from a folder: endings that it knows, and no part of a name hidden by a dot or an underscore.
        size=$(printf '%s\n' "$names" | awk -v skip="${#folder}" '{ print "/" substr($0, skip + 1) }' \
            | grep -iE '\.((csv|tsv|tab|ndjson|jsonl)(\.gz|\.zst)?|parquet|pq|arrow|ipc|feather)$' \
            | grep -cvE '/[._]' || true)
        ;;
esac
if [ "$size" -eq 0 ]; then
    echo "'$input' has no file to score." >&2
    exit 3
fi
[ "$size" -le "$most" ] || size=$most

request=$(mktemp)
trap 'rm -f "$request"' EXIT
array=""
[ "$size" -eq 1 ] || array="\"arrayProperties\": {\"size\": $size}, "
printf '{"jobName": "<<slug>>", "jobQueue": "%s", "jobDefinition": "%s", %s"parameters": {"input": "%s", "output": "%s"}}\n' \
    "$QUEUE" "${DEFINITION:-<<slug>>}" "$array" "$input" "$output" > "$request"
aws batch submit-job --cli-input-json "file://$request"
