"""The options of `mlship serve`, as Typer is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_LIMITS, _WHO, _RUN = "Limits", "Who may ask", "Running"
_KAFKA = "Topics of Apache Kafka"

Models = Annotated[
    list[str],
    typer.Argument(
        metavar="[NAME=]MODEL...", help="The .onnx files to serve, or s3:// gs:// az:// URIs.", show_default=False
    ),
]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Address or name to listen on.")]
Port = Annotated[
    str | None,
    typer.Option(
        metavar="PORT", help="TCP port; 0 takes any free one. Else AIP_HTTP_PORT, where that is set, or 8000."
    ),
]
MetricsPort = Annotated[
    str | None,
    typer.Option(
        metavar="PORT", help="Answer /metrics, /livez and /readyz, and these only, at a port of their own too."
    ),
]
Workers = Annotated[
    str,
    typer.Option(
        metavar="auto|N", help="Processes; auto: one for each CPU that this container may use.", rich_help_panel=_RUN
    ),
]
Threads = Annotated[
    str,
    typer.Option(
        metavar="auto|N",
        help="Threads of each process; auto: one for each of its CPUs, and one more.",
        rich_help_panel=_RUN,
    ),
]
MaxBody = Annotated[str, typer.Option(metavar="SIZE", help="Largest body of a request.", rich_help_panel=_LIMITS)]
MaxRows = Annotated[int, typer.Option(min=1, help="Most rows of a request.", rich_help_panel=_LIMITS)]
Timeout = Annotated[
    float, typer.Option(min=0.1, help="Seconds after which a request is given up.", rich_help_panel=_LIMITS)
]
Queue = Annotated[
    str,
    typer.Option(
        metavar="auto|N",
        help="Requests that a process takes before it refuses; auto: a second's work.",
        rich_help_panel=_LIMITS,
    ),
]
BatchWait = Annotated[
    float,
    typer.Option(min=0.0, help="Hold a request back so long for others to be scored together with.",
                 rich_help_panel=_RUN),
]  # fmt: skip
NoPage = Annotated[
    bool, typer.Option("--no-page", help="Answer programs only: no page at / and no /docs.", rich_help_panel=_RUN)
]
Watch = Annotated[
    bool,
    typer.Option("--watch", help="Take over a model file that is replaced, as SIGHUP does.", rich_help_panel=_RUN),
]
Shadow = Annotated[
    str | None,
    typer.Option(
        metavar="OTHER",
        help="Ask another model the same, off the way of requests; /metrics tells how its answers differ.",
        rich_help_panel=_RUN,
    ),
]
LogPredictions = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Record who asked when, the sha256 of each request and all outputs, in files of this folder.",
        rich_help_panel=_RUN,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Answer only who shows a token of this file of NAME:TOKEN lines, mode 0600; else of MLSHIP_TOKEN.",
        rich_help_panel=_WHO,
    ),
]
NoAuth = Annotated[
    bool,
    typer.Option(
        "--no-auth",
        help="Answer other machines too, whoever asks; beyond loopback it, tokens or certificates are needed.",
        rich_help_panel=_WHO,
    ),
]
TlsCert = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The server's certificate, for https.", rich_help_panel=_WHO)
]
TlsKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key.", rich_help_panel=_WHO)]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Answer only who shows a certificate of these authorities.", rich_help_panel=_WHO
    ),
]
TrustedProxy = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CIDR",
        help="Proxies whose X-Forwarded-For and -Proto are believed; may be repeated.",
        rich_help_panel=_WHO,
    ),
]
KafkaConfig = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Score a topic: brokers, group and security, as name=value lines of librdkafka's properties.",
        rich_help_panel=_KAFKA,
    ),
]
TopicIn = Annotated[
    str | None, typer.Option(metavar="TOPIC", help="The topic to read: a JSON record each.", rich_help_panel=_KAFKA)
]
TopicOut = Annotated[str | None, typer.Option(metavar="TOPIC", help="The topic of scores.", rich_help_panel=_KAFKA)]
TopicRejects = Annotated[
    str | None,
    typer.Option(
        metavar="TOPIC",
        help="The topic of records that the model cannot take, untouched; else the first one ends the stream.",
        rich_help_panel=_KAFKA,
    ),
]
AtLeastOnce = Annotated[
    bool,
    typer.Option(
        "--at-least-once",
        help="Without transactions; what happens between writing and committing makes scores come twice.",
        rich_help_panel=_KAFKA,
    ),
]
Keep = Annotated[
    str,
    typer.Option(
        metavar="all|none|FIELD,FIELD", help="Fields of a record to put before its scores.", rich_help_panel=_KAFKA
    ),
]
