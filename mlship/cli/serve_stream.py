"""`mlship serve --kafka-config`: options in, a stream that is scored out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from mlship.cli.options import parse_keep
from mlship.cli.serve_given import port_of
from mlship.errors import UsageError
from mlship.objects import is_uri
from mlship.quota import available_cpus, default_workers
from mlship.serve.settings import parse_count
from mlship.stream.options import StreamOptions, Topics

if TYPE_CHECKING:
    from mlship.cli.console import Console
    from mlship.stream.host import StreamReady

_OF_STREAMS = ("kafka_config", "topic_in", "topic_out", "topic_rejects", "at_least_once", "keep")
_OF_BOTH = ("models", "host", "port", "workers", "watch", "quiet", "verbose", "json")


def wants_stream(ctx: typer.Context) -> bool:
    """Tell whether a topic is to be scored.

    Raises:
        UsageError: An option of streams stands without --kafka-config, or one of HTTP beside it.
    """
    given = [name for name in ctx.params if _is_given(ctx, name)]
    if "kafka_config" not in given:
        for name in given:
            if name in _OF_STREAMS:
                raise UsageError(
                    f"{_option(name)} is for a topic of Apache Kafka, and no configuration of it is given.",
                    hint="--kafka-config FILE",
                )
        return False
    for name in given:
        if name not in (*_OF_STREAMS, *_OF_BOTH):
            raise UsageError(
                f"{_option(name)} is for requests over HTTP, and with --kafka-config there are none.",
                hint=f"Leave {_option(name)} away.",
            )
    return True


def _is_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def serve_stream(console: Console, given: Mapping[str, Any]) -> None:
    """Score a topic until SIGTERM or SIGINT.

    Args:
        console: Talks to the user.
        given: The command's parameters by their names.

    Raises:
        MlshipError: It could not be begun, or had to be ended.
    """
    from mlship.stream.clients import require_kafka
    from mlship.stream.host import Address, stream

    require_kafka()
    options = _options_of(given)
    port = port_of(given["ctx"], "port", given["port"], console.warn)
    address = Address(given["host"], 8000 if port is None else port)
    stream(options, address, lambda ready: _announce(console, options, ready), verbose=console.verbose)


def _options_of(given: Mapping[str, Any]) -> StreamOptions:
    from mlship.stream.configuration import read_properties

    models = given["models"]
    if len(models) != 1:
        raise UsageError(f"{len(models)} models are named; a topic is scored with one.", hint="Name one model.")
    if "=" in models[0].partition("/")[0] or (given["watch"] and is_uri(models[0])):
        raise UsageError(
            f"'{models[0]}' cannot be scored with as it is named: a topic has one model, and --watch watches a file.",
            hint="Name the file alone, or leave --watch away.",
        )
    source, sink, rejects = (given[name] for name in ("topic_in", "topic_out", "topic_rejects"))
    rejects = rejects or None  # an unset variable of a shell
    if not source or not sink:
        missing = "--topic-in" if not source else "--topic-out"
        raise UsageError(
            f"{missing} is missing: records are read from one topic and scored into another.", hint=f"{missing} TOPIC"
        )
    if len({source, sink, rejects}) < 3:
        raise UsageError("Two of the topics are the same.", hint="Give scores and rejects topics of their own.")
    consumer, producer = read_properties(given["kafka_config"])
    consumer.setdefault("group.id", f"mlship-{source}-{sink}")
    return StreamOptions(
        model=models[0],
        topics=Topics(source, sink, rejects),
        consumer=consumer,
        producer=producer,
        exactly_once=not given["at_least_once"],
        keep=parse_keep(given["keep"], "fields"),
        workers=parse_count(given["workers"], "--workers") or default_workers(available_cpus()),
        watch=given["watch"],
    )


def _announce(console: Console, options: StreamOptions, ready: StreamReady) -> None:
    """Tell that all processes read."""
    topics = options.topics
    how = "exactly once" if options.exactly_once else "at least once"
    rows = [
        ("Model", f"{ready.model['name']} {ready.model['version']} (digest {ready.model['digest'][:12]})"),
        ("Topics", f"{topics.source} -> {topics.sink}"),
        ("Rejects", topics.rejects or "none: the first record that the model cannot take ends the stream"),
        ("Delivery", how),
        ("Group", options.group),
        ("Workers", str(ready.workers)),
        ("Health, metrics", f"{ready.url}/readyz, {ready.url}/metrics"),
    ]
    console.table("", ("", ""), rows)
    console.say(f"Records of '{topics.source}' are scored. Ctrl-C stops it.")
    if console.json:
        told = {
            "status": "ready",
            "model": ready.model,
            "url": ready.url,
            "workers": ready.workers,
            "group": options.group,
            "topics": {"in": topics.source, "out": topics.sink, "rejects": topics.rejects},
            "delivery": how.replace(" ", "_"),
            "error": None,
        }
        console.result(told)
