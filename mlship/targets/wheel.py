"""mlship's own wheel, made again from the package that runs: bundles install it, since mlship is on no registry.

The format is that of https://packaging.python.org/en/latest/specifications/binary-distribution-format/. The same
package gives the same bytes. What the package depends on is left out of the metadata: a bundle installs exactly what
its lock lists, which is less, and an installer that checks hashes would else ask for one of each.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

import mlship

_MADE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can tell
_LEFT_OUT = ("requires-dist", "provides-extra")


def wheel_name() -> str:
    """Return the wheel's file name."""
    return f"mlship-{mlship.__version__}-py3-none-any.whl"


def wheel() -> bytes:
    """Return the wheel's bytes."""
    info = f"mlship-{mlship.__version__}.dist-info"
    files = dict(_package())
    files[f"{info}/METADATA"] = _metadata()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: mlship\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\nmlship = mlship.cli.main:main\n"
    record = [f"{name},{_digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _MADE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return stream.getvalue()


def _package() -> Iterator[tuple[str, bytes]]:
    """The files of the package that runs, by their names in a wheel."""
    (folder,) = (Path(path) for path in mlship.__path__)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"mlship/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _metadata() -> bytes:
    """The package's metadata without what it depends on."""
    found = HeaderParser().parsestr(metadata.distribution("mlship").read_text("METADATA") or "")
    told = EmailMessage()
    for name, value in found.items():
        if name.lower() not in _LEFT_OUT:
            told[name] = value.replace("\n", " ")
    return str(told).encode()


def _digest(data: bytes) -> str:
    return f"sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()}"
