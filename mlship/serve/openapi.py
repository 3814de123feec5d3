"""`/openapi.json`: OpenAPI 3.1 of every path, made of the signatures, so that it says what is true of these models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlship import __version__
from mlship.model.signature import Column, Output
from mlship.model.values.codes import CODES
from mlship.serve.exchange import JSON
from mlship.serve.protocols import media
from mlship.serve.protocols.oip import BINARY, HEADER
from mlship.serve.protocols.tensors import DTYPES, TEXT
from mlship.serve.served import Served
from mlship.serve.table import endpoints_of

Schema = dict[str, Any]

_INPUTS: dict[str, Schema] = {
    "float64": {"type": "number"},
    "float32": {"type": "number"},
    "int64": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "bool": {"type": "boolean"},
    "string": {"type": "string"},
    "category": {"type": "string"},
    "datetime": {"type": "string", "description": "ISO 8601 date and time"},
    "date": {"type": "string", "description": "ISO 8601 date"},
}
_OUTPUTS: dict[str, Schema] = {
    "float64": {"type": ["number", "null"], "description": "null says not-a-number"},
    "int64": {"type": "integer"},
    "bool": {"type": "boolean"},
    "string": {"type": "string"},
}
_STATUSES = {
    "400": "The request cannot be parsed.",
    "401": "A token is asked for.",
    "406": "The Accept header excludes all that is answered here.",
    "413": "The body is too large, or has too many rows.",
    "415": "The body is of a type that is not taken here.",
    "422": "The model does not accept all values.",
    "503": "The server has too much to do, or is stopping.",
    "504": "The client's time was over before its turn came.",
}
_CSV = (
    f"CSV may say how it is written by parameters of its content type, such as '{media.CSV}; delimiter=semicolon; "
    f"decimal=comma': 'delimiter' is one of {', '.join(media.DELIMITERS)}, 'decimal' one of "
    f"{', '.join(media.DECIMALS)}, and 'header' is 'present' or 'absent'. What is not said is found in the body."
)
_ERRORS: dict[str, Schema] = {
    "predict": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "rows": {"$ref": "#/components/schemas/RefusedValues"},
                },
            }
        },
    },
    "invocations": {
        "type": "object",
        "required": ["error_code", "message"],
        "properties": {
            "error_code": {"type": "string"},
            "message": {"type": "string"},
            "rows": {"$ref": "#/components/schemas/RefusedValues"},
        },
    },
}
_ERROR_TEXT: Schema = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_REFUSED: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["row", "column", "code"],
        "properties": {
            "row": {"type": "integer", "minimum": 0},
            "column": {"type": ["string", "null"]},
            "code": {"enum": list(CODES)},
        },
    },
}


def document_of(models: Mapping[str, Served], views: Iterable[str]) -> Schema:
    """Return the document that describes a server.

    Args:
        models: The models by name.
        views: The paths that are answered to GET.
    """
    schemas: dict[str, Schema] = {"RefusedValues": _REFUSED, "ErrorText": _ERROR_TEXT}
    schemas |= {f"Error.{protocol}": schema for protocol, schema in _ERRORS.items()}
    for served in models.values():
        schemas |= _schemas_of(served)
    paths: dict[str, Schema] = {
        path: {"post": _scoring(path, endpoint.protocol, endpoint.served.name)}
        for path, endpoint in endpoints_of(models).items()
    }
    for path in views:
        paths[path] = {"get": _telling(path)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "mlship", "version": __version__, "description": "Scores rows with ONNX models."},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _schemas_of(served: Served) -> dict[str, Schema]:
    signature, name = served.signature, served.name
    record = {
        "type": "object",
        "required": list(signature.names),
        "properties": {column.name: _value(column) for column in signature.inputs},
    }
    prediction = {
        "type": "object",
        "required": [output.name for output in signature.outputs],
        "properties": {output.name: _answered(output) for output in signature.outputs},
    }
    return {f"{name}.Record": record, f"{name}.Prediction": prediction}


def _value(column: Column) -> Schema:
    schema = dict(_INPUTS[column.dtype])
    if column.low is not None or column.limit is not None:
        low = max(value for value in (column.low, None if column.limit is None else -column.limit) if value is not None)
        schema["minimum"] = max(low, schema.get("minimum", low))
    if column.limit is not None:
        schema["maximum"] = min(column.limit, schema.get("maximum", column.limit))
    if column.categories is not None and not column.unknown:
        schema["enum"] = [*column.categories, *([None] if column.nullable else [])]
    if column.nullable:
        schema["type"] = [schema["type"], "null"]
    return schema


def _answered(output: Output) -> Schema:
    return _OUTPUTS[output.dtype]


def _scoring(path: str, protocol: str, name: str) -> Schema:
    """The operation at a path where rows are scored."""
    records: Schema = {"type": "array", "items": _ref(f"{name}.Record")}
    predictions: Schema = {"type": "array", "items": _ref(f"{name}.Prediction")}
    only: Schema = {"type": "object", "required": ["predictions"], "properties": {"predictions": predictions}}
    tables: Schema = {kind: {} for kind in media.FORMATS} if protocol in ("predict", "invocations") else {}
    split = _object(columns={"type": "array", "items": {"type": "string"}}, data={"type": "array"})
    body, answer = _object(instances=records), only
    match protocol:
        case "predict":
            body = {"anyOf": [_object(instances=records), records, _ref(f"{name}.Record"), split]}
            answer = _native_answer(name)
        case "invocations":
            forms = {"dataframe_records": records, "dataframe_split": split, "instances": records, "inputs": records}
            body = {"oneOf": [_object(**{key: form}) for key, form in forms.items()]}
        case "oip":
            body, answer = _tensors("inputs"), _tensors("outputs")
    binary: Schema = {BINARY: {}} if protocol == "oip" else {}
    error = _ref(f"Error.{protocol}" if protocol in _ERRORS else "ErrorText")
    operation: Schema = {
        "operationId": path.strip("/").replace("/", "_").replace(":", "_"),
        "tags": [protocol],
        "requestBody": {"required": True, "content": {JSON: {"schema": body}, **tables, **binary}},
        "responses": {
            "200": {"description": "The predictions.", "content": {JSON: {"schema": answer}, **tables, **binary}},
            **{status: _answer(text, error) for status, text in _STATUSES.items()},
        },
    }
    if protocol == "predict":
        operation["parameters"] = [{"name": "on_error", "in": "query", "schema": {"enum": ["reject", "refuse"]}}]
    if tables:
        operation["requestBody"]["description"] = _CSV
    if protocol == "oip":
        operation["description"] = f"With binary tensors the header '{HEADER}' tells the length of the JSON."
    return operation


def _native_answer(name: str) -> Schema:
    prediction: Schema = {"anyOf": [_ref(f"{name}.Prediction"), {"type": "null"}]}
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["predictions", "model"],
        "properties": {
            "predictions": {"type": "array", "items": prediction},
            "rejected": _ref("RefusedValues"),
            "model": _object(name=text, version=text, digest=text),
        },
    }


def _tensors(key: str) -> Schema:
    tensor: Schema = {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": {"type": "string"},
            "datatype": {"enum": [*DTYPES, TEXT]},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 2},
            "data": {"type": "array"},
            "parameters": {"type": "object"},
        },
    }
    return {
        "type": "object",
        "required": [key],
        "properties": {"id": {"type": "string"}, key: {"type": "array", "items": tensor, "minItems": 1}},
    }


def _telling(path: str) -> Schema:
    """The operation at a path that tells something."""
    return {
        "operationId": "get_" + path.strip("/").replace("/", "_"),
        "tags": ["about"],
        "responses": {
            "200": {"description": "What is asked for.", "content": {JSON: {"schema": {"type": "object"}}}},
            **{status: _answer(_STATUSES[status], {"type": "object"}) for status in ("401", "503")},
        },
    }


def _answer(text: str, schema: Schema) -> Schema:
    return {"description": text, "content": {JSON: {"schema": schema}}}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
