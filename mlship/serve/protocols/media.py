"""Media types: what a body is, and what the client wants its answer to be."""

from __future__ import annotations

from functools import lru_cache

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from mlship.serve.exchange import JSON, Asked
from mlship.serve.problems import RequestRefused
from mlship.tables.dialect import NOTHING_TOLD, Told

CSV, NDJSON = "text/csv", "application/x-ndjson"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
FORMATS = {
    CSV: "csv",
    "application/csv": "csv",
    NDJSON: "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonlines": "ndjson",
    ARROW: "arrow",
    PARQUET: "parquet",
    "application/x-parquet": "parquet",
}
"""What `tables.bodies` calls each media type of a table."""
HEADLESS = f"{CSV};header=absent"
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
DECIMALS = {"point": False, "comma": True}
_UTF_8 = ("utf-8", "utf8", "us-ascii")
_OFFERED = (JSON, *FORMATS, HEADLESS)


def answer_type(asked: Asked) -> str:
    """Return the media type that the client likes best; JSON when it does not say.

    Raises:
        RequestRefused: 406, it takes none.
    """
    accept = asked.accept
    if accept is None or accept == JSON:
        return JSON
    found = _best(accept)
    if found is None:
        offered = ", ".join((JSON, *FORMATS))
        raise RequestRefused(406, "not_acceptable", f"The Accept header excludes all that is answered here: {offered}.")
    return found


@lru_cache(maxsize=64)
def _best(accept: str) -> str | None:
    return parse_accept_header(accept, MIMEAccept).best_match(_OFFERED)


def is_json(kind: str) -> bool:
    """Tell whether a media type is one of JSON."""
    return kind == JSON or kind.endswith("+json")


def has_header(asked: Asked) -> bool:
    """Tell whether a body of CSV begins with the names of its columns (RFC 4180, section 3)."""
    return parse_options_header(asked.environ.get("CONTENT_TYPE", ""))[1].get("header", "present").lower() != "absent"


def told_of_csv(asked: Asked) -> Told:
    """Return what a content type says of CSV by its parameters `delimiter` and `decimal`; else they are found.

    Raises:
        RequestRefused: 400, it says something else than there is.
    """
    kind = asked.environ.get("CONTENT_TYPE", "")
    if ";" not in kind:
        return NOTHING_TOLD
    said = parse_options_header(kind)[1]
    delimiter, decimal = said.get("delimiter"), said.get("decimal")
    for name, value, known in (("delimiter", delimiter, DELIMITERS), ("decimal", decimal, DECIMALS)):
        if value is not None and value not in known:
            message = f"The content type's parameter '{name}' is one of {', '.join(known)}."
            raise RequestRefused(400, "bad_header", message)
    return Told(
        delimiter=None if delimiter is None else DELIMITERS[delimiter],
        decimal_comma=None if decimal is None else DECIMALS[decimal],
    )


def check_encoding(asked: Asked) -> None:
    """Check that the body is as it is, and in UTF-8.

    Raises:
        RequestRefused: 415, it is compressed, or said to be in another encoding.
    """
    kind = asked.environ.get("CONTENT_TYPE", "")
    if ";" in kind and parse_options_header(kind)[1].get("charset", "utf-8").lower() not in _UTF_8:
        raise RequestRefused(415, "unsupported_charset", "Texts are taken in UTF-8; send charset=utf-8, or none.")
    if (asked.header("Content-Encoding") or "").strip().lower() not in ("", "identity"):
        raise RequestRefused(
            415, "unsupported_encoding", "The body is compressed; send it as it is.", {"Accept-Encoding": "identity"}
        )


def unsupported(kind: str, *taken: str) -> RequestRefused:
    """Return the refusal of a body of another type.

    Args:
        kind: Its type, empty when it has none.
        taken: The types that are taken.
    """
    found = f"The content type '{kind[:100]}' is not taken here." if kind else "The request has no content type."
    also = f" Tables may also be {', '.join(taken[1:])}." if taken[1:] else ""
    return RequestRefused(
        415,
        "unsupported_media_type",
        f"{found} Send JSON with the header 'Content-Type: {taken[0]}'.{also}",
        {"Accept": ", ".join(taken)},
    )
