"""What a file looks like, by its first bytes: to unpack it, or to tell the user what was given instead of a model."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable

from mlship.errors import ModelRefused

_LOOKS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer; the file itself was not fetched (git lfs pull)"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x7fELF", "a program"),
    (b"%PDF", "a PDF document"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PAR1", "a Parquet table"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x04\x22\x4d\x18", "an lz4 archive"),
)
ONNX = "an ONNX model"
_ONNX = re.compile(rb"\x08[\x01-\x20][\x12\x1a\x22\x28\x32\x3a\x42]", re.DOTALL)  # its version, then its next field
_TEXT_BYTES = bytes({7, 8, 9, 10, 12, 13, 27} | set(range(0x20, 0x7F)) | set(range(0x80, 0x100)))
_PROTO = 0x80  # the opcode with which every pickle of protocol 2 and later begins


def _gunzipped(data: bytes, most: int) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        return stream.read(most)


def _bunzipped(data: bytes, most: int) -> bytes:
    with bz2.BZ2File(io.BytesIO(data)) as stream:
        return stream.read(most)


def _unxzed(data: bytes, most: int) -> bytes:
    with lzma.LZMAFile(io.BytesIO(data)) as stream:
        return stream.read(most)


def _inflated(data: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj()
    raw = unpacker.decompress(data, most)
    if len(raw) < most and not unpacker.eof:
        raise EOFError("it ends too early")
    return raw


_COMPRESSED: tuple[tuple[bytes, Callable[[bytes, int], bytes]], ...] = (
    (b"\x1f\x8b", _gunzipped),
    (b"BZh", _bunzipped),
    (b"\xfd7zXZ\x00", _unxzed),
    (b"\x5d\x00\x00", _unxzed),
    *((bytes([0x78, level]), _inflated) for level in (0x01, 0x5E, 0x9C, 0xDA)),
)


def unpacked(data: bytes, name: str, most: int) -> bytes:
    """Return the bytes of a file, decompressed when it is compressed in a way that joblib writes.

    Args:
        data: The file's bytes.
        name: The file, quoted, for messages.
        most: How many bytes it may unpack to.

    Raises:
        ModelRefused: The compressed data is damaged, or unpacks to more.
    """
    for magic, decompress in _COMPRESSED:
        if data.startswith(magic):
            try:
                raw = decompress(data, most + 1)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                if looks_like(data) is not None:  # a text may begin as one of these does: "BZh", "x^"
                    return data
                raise ModelRefused(
                    f"{name} is compressed and damaged: {error}.", hint="Copy the file again.", code="damaged"
                ) from error
            if len(raw) > most:
                raise too_large(name, most)
            return raw
    return data


def too_large(name: str, most: int) -> ModelRefused:
    """The refusal of a small file that unpacks to a large one."""
    return ModelRefused(
        f"{name} unpacks to more than {most // 2**20:,} MiB, which no model of its size does.",
        hint="If it is sound, save it without compression.",
        code="load_limit",
    )


def begins_with_zeros(head: bytes) -> bool:
    """Tell whether a file's first bytes are nothing at all."""
    return bool(head) and not head.strip(b"\0")


def looks_like(data: bytes) -> str | None:
    """Say what data looks like when it is surely no pickle, or None when it may be one."""
    if not data:
        return "an empty file"
    for magic, what in _LOOKS:
        if data.startswith(magic):
            return what
    if _ONNX.match(data):
        return ONNX
    head = data[:4096]
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if start.startswith(b"{") and b"learner" in head:
        return "an XGBoost model in JSON"
    if start.startswith((b"{", b"[")):
        return "a JSON document"
    if head[0] != _PROTO and not head.translate(None, _TEXT_BYTES) and not _pickle_of_protocol_0(data):
        return "a text file"
    return None


def _pickle_of_protocol_0(data: bytes) -> bool:
    """Protocol 0 is text: it ends in a STOP opcode, and each of its lines is short and begins with an opcode."""
    return data.rstrip(b"\n").endswith(b".") and data[:1] in b"(ciCS"
