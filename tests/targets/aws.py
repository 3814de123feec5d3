"""Stands in for the command `aws`: the three calls that the scripts of bundles make, by boto3."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import boto3
import jmespath


def main() -> None:
    """Do one call and print what it answers."""
    service, verb = sys.argv[1:3]
    parser = argparse.ArgumentParser()
    for name in ("--cli-input-json", "--bucket", "--prefix", "--query", "--output"):
        parser.add_argument(name)
    given = parser.parse_args(sys.argv[3:])
    if (service, verb) == ("s3api", "list-objects-v2"):
        pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=given.bucket, Prefix=given.prefix)
        found = [row for page in pages for row in jmespath.search(given.query, page) or ()]
        sys.stdout.write("".join("\t".join(row) + "\n" for row in found) or "None\n")
        return
    request = json.loads(Path(given.cli_input_json.removeprefix("file://")).read_text())
    calls: dict[str, Any] = {"register-job-definition": "register_job_definition", "submit-job": "submit_job"}
    answer = getattr(boto3.client(service), calls[verb])(**request)
    answer.pop("ResponseMetadata")
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
