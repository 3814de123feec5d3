from __future__ import annotations

from typing import Any


def keys_of(parts: Any) -> dict[str, str | None]:
    return {}


def Partitioned(source: Any, keys: Any) -> Any:
    return source
