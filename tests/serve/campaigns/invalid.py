"""Requests that are none, or that two servers in a row could read differently; each must be refused.

The classes are those of gunicorn's tests/requests/invalid and of what is published on request smuggling. Where a
second request could be smuggled in, it asks for `/smuggled`, which would be answered 404.
"""

from __future__ import annotations

_POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_GET = b"GET /livez HTTP/1.1\r\n"
_SECOND = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
_CHUNKS = b"0\r\n\r\n" + _SECOND


def _coded(coding: bytes, rest: bytes = _CHUNKS) -> bytes:
    return _POST + coding + b"\r\n\r\n" + rest


def _sized(*sizes: bytes) -> bytes:
    return _POST + b"".join(b"Content-Length: " + size + b"\r\n" for size in sizes) + b"\r\n" + _SECOND


def _chunk(line: bytes) -> bytes:
    return _coded(b"Transfer-Encoding: chunked", line + b"\r\n" + b"x" * 16 + b"\r\n" + _CHUNKS)


def _line(line: bytes) -> bytes:
    return line + b"\r\nHost: x\r\n\r\n" + _SECOND


def _header(line: bytes) -> bytes:
    return _GET + b"Host: x\r\n" + line + b"\r\n\r\n" + _SECOND


INVALID: dict[str, bytes] = {
    # two lengths of one body
    "length and coding": _coded(b"Content-Length: 4\r\nTransfer-Encoding: chunked"),
    "coding and length": _coded(b"Transfer-Encoding: chunked\r\nContent-Length: 4"),
    "length 0 and coding": _coded(b"Content-Length: 0\r\nTransfer-Encoding: chunked"),
    "two lengths": _sized(b"0", b"39"),
    "two equal lengths": _sized(b"0", b"0"),
    "list of lengths": _sized(b"0, 39"),
    "list of equal lengths": _sized(b"0, 0"),
    # lengths that are no numbers
    "negative length": _sized(b"-1"),
    "length with a plus": _sized(b"+1"),
    "hexadecimal length": _sized(b"0x10"),
    "length with a point": _sized(b"1.0"),
    "length with an exponent": _sized(b"1e1"),
    "length with an underscore": _sized(b"1_0"),
    "length of other digits": _sized("١".encode()),  # noqa: RUF001 - an Arabic digit
    "length in Latin-1": _sized(b"\xb2"),
    "empty length": _sized(b""),
    "length of words": _sized(b"ten"),
    "length with a space inside": _sized(b"1 0"),
    # codings
    "coding unknown": _coded(b"Transfer-Encoding: xchunked"),
    "coding not last": _coded(b"Transfer-Encoding: chunked, identity"),
    "coding twice": _coded(b"Transfer-Encoding: chunked, chunked"),
    "coding in two headers": _coded(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
    "chunked in two headers": _coded(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    "coding with a parameter": _coded(b"Transfer-Encoding: chunked;q=1"),
    "coding in quotes": _coded(b'Transfer-Encoding: "chunked"'),
    "coding with a vertical tab": _coded(b"Transfer-Encoding: \x0bchunked"),
    "coding with a NUL": _coded(b"Transfer-Encoding: chunked\x00"),
    "coding gzip": _coded(b"Transfer-Encoding: gzip"),
    "coding gzip, chunked": _coded(b"Transfer-Encoding: gzip, chunked"),
    "coding identity": _coded(b"Transfer-Encoding: identity"),
    "empty coding": _coded(b"Transfer-Encoding:"),
    "coding with a comma": _coded(b"Transfer-Encoding: ,chunked,x"),
    "coding under HTTP/1.0": _coded(b"Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "space before the colon of a coding": _coded(b"Transfer-Encoding : chunked"),
    "tab before the colon of a coding": _coded(b"Transfer-Encoding\t: chunked"),
    "coding folded": _coded(b"Transfer-Encoding:\r\n chunked"),
    "coding after a bare LF": _coded(b"X: y\nTransfer-Encoding: chunked"),
    "coding after a bare CR": _coded(b"X: y\rTransfer-Encoding: chunked"),
    # headers
    "space before a colon": _header(b"X : y"),
    "no colon": _header(b"nothing"),
    "empty name": _header(b": y"),
    "space in a name": _header(b"X Y: z"),
    "folded": _header(b"X: y\r\n z"),
    "folded with a tab": _header(b"X: y\r\n\tz"),
    "first header folded": _GET + b" Host: x\r\n\r\n" + _SECOND,
    "NUL in a name": _header(b"X\x00: y"),
    "NUL in a value": _header(b"X: y\x00z"),
    "bare CR in a value": _header(b"X: y\rz"),
    "bare LF in a header": _header(b"X: y\nZ: 1"),
    "bare LF at the end": _GET + b"Host: x\n\n" + _SECOND,
    "control character in a value": _header(b"X: \x01"),
    "bracket in a name": _header(b"X(y): z"),
    "quote in a name": _header(b'"X": z'),
    "high byte in a name": _header(b"X\xff: z"),
    "two hosts": _header(b"Host: y"),
    "no host": _GET + b"X: y\r\n\r\n" + _SECOND,
    "host with a space": _GET + b"Host: x y\r\n\r\n" + _SECOND,
    "list of hosts": _GET + b"Host: x, y\r\n\r\n" + _SECOND,
    "host with a path": _GET + b"Host: x/y\r\n\r\n" + _SECOND,
    "host with a user": _GET + b"Host: x@y\r\n\r\n" + _SECOND,
    "two types": _header(b"Content-Type: a/b\r\nContent-Type: c/d"),
    # the first line
    "bad method": _line(b"GE T /livez HTTP/1.1"),
    "method with a bracket": _line(b"GE(T /livez HTTP/1.1"),
    "empty method": _line(b" /livez HTTP/1.1"),
    "NUL in a method": _line(b"GET\x00 /livez HTTP/1.1"),
    "no version": _line(b"GET /livez"),
    "version 2.0": _line(b"GET /livez HTTP/2.0"),
    "version 0.9": _line(b"GET /livez HTTP/0.9"),
    "version 1.10": _line(b"GET /livez HTTP/1.10"),
    "version 1": _line(b"GET /livez HTTP/1"),
    "version of words": _line(b"GET /livez HTTP/one"),
    "other protocol": _line(b"GET /livez HTTX/1.1"),
    "small letters": _line(b"GET /livez http/1.1"),
    "space after the version": _line(b"GET /livez HTTP/1.1 x"),
    "NUL in a path": _line(b"GET /li\x00vez HTTP/1.1"),
    "control character in a path": _line(b"GET /li\x0bvez HTTP/1.1"),
    "space in a path": _line(b"GET /li vez HTTP/1.1"),
    "path without a slash": _line(b"GET livez HTTP/1.1"),
    "empty lines first": _line(b"\r\n\r\nGET /livez HTTP/1.1"),
    "HTTP/2 with prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SECOND,
    "no path": _line(b"GET  HTTP/1.1"),
    "bare CR in the first line": _line(b"GET /livez\rHTTP/1.1"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 80 + b"\r\n\r\n",
    "binary": b"\xff\xfe\xfd\r\n\r\n" + _SECOND,
    # chunks
    "chunk size negative": _chunk(b"-10"),
    "chunk size with a plus": _chunk(b"+10"),
    "chunk size with 0x": _chunk(b"0x10"),
    "chunk size with an underscore": _chunk(b"1_0"),
    "chunk size of words": _chunk(b"ten"),
    "empty chunk size": _chunk(b""),
    "space before a chunk size": _chunk(b" 10"),
    "huge chunk size": _chunk(b"F" * 17),
    "chunk size that wraps": _chunk(b"10000000000000010"),
    "bare LF after a chunk size": _coded(b"Transfer-Encoding: chunked", b"10\n" + b"x" * 16 + b"\r\n" + _CHUNKS),
    "bare CR in a chunk extension": _chunk(b"10;a\rb"),
    "bare LF in a chunk extension": _chunk(b"10;a\nb"),
    "NUL in a chunk extension": _chunk(b"10;a\x00b"),
    "chunk longer than said": _coded(b"Transfer-Encoding: chunked", b"4\r\nxxxxxxxx\r\n" + _CHUNKS),
    "no line end after a chunk": _coded(b"Transfer-Encoding: chunked", b"4\r\nxxxx" + _CHUNKS),
    "bare LF after a chunk": _coded(b"Transfer-Encoding: chunked", b"4\r\nxxxx\n" + _CHUNKS),
    "trailer with a length": _coded(b"Transfer-Encoding: chunked", b"0\r\nContent-Length: 5\r\n\r\n" + _SECOND),
    "trailer with a bare LF": _coded(b"Transfer-Encoding: chunked", b"0\r\nX: y\nZ: 1\r\n\r\n" + _SECOND),
    # too much
    "first line too long": _line(b"GET /" + b"a" * 9_000 + b" HTTP/1.1"),
    "header too long": _header(b"X: " + b"a" * 9_000),
    "too many headers": _header(b"\r\n".join(b"X%d: y" % number for number in range(200))),
    "expectation unknown": _header(b"Expect: banana"),
}
