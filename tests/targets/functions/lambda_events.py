"""Events as Amazon's documentation shows them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

REGION, ACCOUNT = "us-east-1", "123456789012"
JSON_HEADER = {"content-type": "application/json"}


def api_gateway_1(method: str, path: str, body: str | None, headers: dict[str, str]) -> dict[str, Any]:
    """Return a request of a REST API: https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {"httpMethod": method, "path": f"/prod{path}", "stage": "prod", "protocol": "HTTP/1.1"},
        "body": body,
        "isBase64Encoded": False,
    }


def api_gateway_2(
    method: str, path: str, body: str | None, headers: dict[str, str], *, stage: str = "$default"
) -> dict[str, Any]:
    """Return a request of an HTTP API, payload format 2.0."""
    whole = path if stage == "$default" else f"/{stage}{path}"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": whole,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "http": {"method": method, "path": whole, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "stage": stage,
        },
        "body": body,
        "isBase64Encoded": False,
    }


def staged(method: str, path: str, body: str | None, headers: dict[str, str]) -> dict[str, Any]:
    """Return a request of an HTTP API whose stage has a name, which stands in the path."""
    return api_gateway_2(method, path, body, headers, stage="live")


def function_url(method: str, path: str, body: str | None, headers: dict[str, str]) -> dict[str, Any]:
    """Return a request of a function URL, its body in base64."""
    event = api_gateway_2(method, path, body, headers)
    if body is not None:
        event |= {"body": base64.b64encode(body.encode()).decode(), "isBase64Encoded": True}
    return event


def load_balancer(method: str, path: str, body: str | None, headers: dict[str, str]) -> dict[str, Any]:
    """Return a request of an application load balancer."""
    return {
        "requestContext": {"elb": {"targetGroupArn": f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/a"}},
        "httpMethod": method,
        "path": path,
        "queryStringParameters": {},
        "headers": headers,
        "body": body or "",
        "isBase64Encoded": False,
    }


def sqs(bodies: Sequence[str], *, queue: str = "in", groups: Sequence[str] = ()) -> dict[str, Any]:
    """Return messages of a queue, `m0`, `m1` and so on; with groups of a FIFO queue."""
    records = [
        {
            "messageId": f"m{place}",
            "receiptHandle": "a",
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1"} | ({"MessageGroupId": groups[place]} if groups else {}),
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}{'.fifo' if groups else ''}",
            "awsRegion": REGION,
        }
        for place, body in enumerate(bodies)
    ]
    return {"Records": records}


def kinesis(bodies: Sequence[str], *, stream: str = "in") -> dict[str, Any]:
    """Return records of a shard, with the sequence numbers 100, 101 and so on."""
    records = [
        {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "1",
                "sequenceNumber": str(100 + place),
                "data": base64.b64encode(body.encode()).decode(),
                "approximateArrivalTimestamp": 1545084650.987,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"shardId-000000000006:{100 + place}",
            "eventName": "aws:kinesis:record",
            "eventSourceARN": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}",
        }
        for place, body in enumerate(bodies)
    ]
    return {"Records": records}


def kafka(partitions: dict[int, Sequence[str | None]], *, source: str = "aws:kafka") -> dict[str, Any]:
    """Return records of partitions of the topic `in`, with the offsets 10, 11 and so on."""
    records: dict[str, list[dict[str, Any]]] = {
        f"in-{partition}": [
            {
                "topic": "in",
                "partition": partition,
                "offset": 10 + place,
                "timestamp": 1545084650987,
                "timestampType": "CREATE_TIME",
                "key": base64.b64encode(b"k").decode(),
                "value": None if body is None else base64.b64encode(body.encode()).decode(),
                "headers": [],
            }
            for place, body in enumerate(bodies)
        ]
        for partition, bodies in partitions.items()
    }
    return {"eventSource": source, "bootstrapServers": "b-1.example:9092", "records": records}


def lines(records: Sequence[Any]) -> list[str]:
    """Return records as texts of JSON."""
    return [json.dumps(record) for record in records]
