"""Tokens by which clients show who they are: several, each with a name, in a file of mode 0600 or a variable."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import shlex
import time
from collections.abc import Iterable, MutableMapping
from pathlib import Path

from mlship.errors import UsageError
from mlship.files import others_may_read

VARIABLE = "MLSHIP_TOKEN"
"""The variable that holds tokens where no file does."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SHORTEST = 16
_LONGEST = 4096
_LARGEST_FILE = 1 << 20
_LOOK_SECONDS = 1.0
_BARE_NAME = "token"
_HINT = "A line is NAME:TOKEN. A good token: python -c 'import secrets; print(secrets.token_urlsafe(32))'"

_Entries = tuple[tuple[bytes, str], ...]


class Tokens:
    """The tokens that are valid now; of each only the digest is kept.

    Args:
        entries: The sha256 of each token, and its name.
        file: Where they were read from, and are read again when it changes, or None.
        state: What the file's state was then.
    """

    def __init__(self, entries: _Entries, file: Path | None = None, state: tuple[int, ...] = ()) -> None:
        self._entries = entries
        self._file = file
        self._state = state
        self._look_at = time.monotonic() + _LOOK_SECONDS

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, which are no secret."""
        return tuple(name for _, name in self._entries)

    @classmethod
    def of_file(cls, file: Path) -> Tokens:
        """Read a file of `NAME:TOKEN` lines; empty ones and those that begin with # are passed over.

        Raises:
            UsageError: It cannot be read, others may read it, or a line is not right.
        """
        state = _state(file)  # ahead of reading: a change meanwhile is seen at the next look
        return cls(_read(file), file, state)

    @classmethod
    def of_text(cls, text: str) -> Tokens:
        """Read the value of MLSHIP_TOKEN: one token, or several `NAME:TOKEN`, each in its line or after a comma.

        Raises:
            UsageError: One of them is not right.
        """
        parts = [part for part in re.split(r"[\n,]", text) if part.strip()]
        if len(parts) == 1 and ":" not in parts[0]:
            parts = [f"{_BARE_NAME}:{parts[0].strip()}"]
        return cls(_entries(parts, VARIABLE, "entry"))

    def name_of(self, authorization: str) -> str | None:
        """Return the name of the token that an Authorization header carries, or None when none of them.

        It is compared with all of them, so that how long that takes tells nothing.

        Args:
            authorization: The header's value, as WSGI has it: each byte one letter.
        """
        if time.monotonic() >= self._look_at:
            self.refresh()
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        digest = hashlib.sha256(token.strip().encode("latin-1")).digest()
        found = None
        for known, name in self._entries:
            if hmac.compare_digest(digest, known):
                found = name
        return found

    def refresh(self) -> str | None:
        """Read the file again when it has changed; one that is not right leaves the tokens as they were.

        Returns:
            What is wrong with it, told once for each change, or None.
        """
        self._look_at = time.monotonic() + _LOOK_SECONDS
        if self._file is None:
            return None
        before, self._state = self._state, ()
        try:
            self._state = _state(self._file)
            if self._state != before:
                self._entries = _read(self._file)
        except UsageError as error:
            if self._state != before:
                return f"{error.message} The tokens that were read before stay valid."
        return None


def given_tokens(file: Path | None, environ: MutableMapping[str, str] | None = None) -> Tokens | None:
    """Return the tokens of `--token-file` or MLSHIP_TOKEN, or None when neither is given.

    The variable is taken out of the environment, so that no process that is started from here has it.

    Raises:
        UsageError: They are not right, or both are given.
    """
    environ = os.environ if environ is None else environ
    text = environ.pop(VARIABLE, None)
    if file is None:
        return None if text is None else Tokens.of_text(text)
    if text is not None:
        raise UsageError(
            f"--token-file and the variable {VARIABLE} are both given; only one of them can hold the tokens.",
            hint=f"unset {VARIABLE}",
        )
    return Tokens.of_file(file)


def _state(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError as error:
        raise UsageError(f"The token file '{file}' cannot be read: {error.strerror}.", hint=_HINT) from error
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _read(file: Path) -> _Entries:
    """Read a token file; the mode is that of the very file that is read."""
    try:
        with file.open("rb") as stream:
            others, mode = others_may_read(stream.fileno()), os.fstat(stream.fileno()).st_mode
            data = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(f"The token file '{file}' cannot be read: {error.strerror}.", hint=_HINT) from error
    if others:
        raise UsageError(
            f"The token file '{file}' has mode {mode & 0o777:04o}: others than its owner may open it.",
            hint=f"chmod 600 {shlex.quote(str(file))}",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"The token file '{file}' is not UTF-8.", hint=_HINT) from None
    if len(data) > _LARGEST_FILE:
        raise UsageError(f"The token file '{file}' has more than {_LARGEST_FILE:,} bytes.", hint=_HINT)
    return _entries(text.split("\n"), f"The token file '{file}'", "line")


def _entries(lines: Iterable[str], where: str, what: str) -> _Entries:
    """Return digest and name of each token; an error tells the number of a line and never what stands in it."""
    found: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, colon, token = text.partition(":")
        token = token.strip()
        place = f"{where}, {what} {number}"
        if not colon or not _NAME.fullmatch(name):
            raise UsageError(f"{place}: it is not NAME:TOKEN, with a name of letters, digits and _.-", hint=_HINT)
        if not _SHORTEST <= len(token) <= _LONGEST:
            raise UsageError(f"{place}: the token has {len(token)} characters; at least {_SHORTEST}.", hint=_HINT)
        if not token.isprintable() or " " in token:
            raise UsageError(f"{place}: the token has spaces or control characters.", hint=_HINT)
        digest = hashlib.sha256(token.encode()).digest()
        if name in found or digest in found.values():
            raise UsageError(f"{place}: the name, or the token, stands there twice.", hint=_HINT)
        found[name] = digest
    if not found:
        raise UsageError(f"{where} holds no token.", hint=_HINT)
    return tuple((digest, name) for name, digest in found.items())
