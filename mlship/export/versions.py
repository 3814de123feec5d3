"""Whether the scikit-learn that is installed saved a model, and if not, how to run mlship beside the right one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

import sklearn

from mlship.errors import ModelRefused
from mlship.export.loading import Source

_VERSION = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}((a|b|rc|\.dev|\.post)[0-9]{1,4})?")
_OLDEST = (1, 4)  # the lowest that pyproject.toml allows


def check_versions(found: Iterable[str], source: Source, *, allow: bool) -> tuple[str, str] | None:
    """Return the versions of scikit-learn then and now, when major or minor differ and that is allowed; else None.

    Raises:
        ModelRefused: They differ, and that is not allowed.
    """
    now = sklearn.__version__
    other = [then for then in found if then.split(".")[:2] != now.split(".")[:2]]
    if not other:
        return None
    if not allow:
        raise other_version(source, other[0])
    return other[0][:40], now


def other_version(source: Source, then: str, why: str = "its answers could differ") -> ModelRefused:
    """The refusal of a model that another version of scikit-learn saved."""
    now = sklearn.__version__
    if not _VERSION.fullmatch(then):  # the file says it, and a hint is something to type
        return ModelRefused(
            f"{source.name} does not say which scikit-learn saved it, and {now} is installed; {why}.",
            hint=f"Save it again with scikit-learn {now}.",
            code="other_version",
        )
    hint = f"uvx --with 'scikit-learn=={then}' mlship export {shlex.quote(str(source.given))}"
    if tuple(int(part) for part in then.split(".")[:2]) < _OLDEST:
        hint = f"Fit and save it again with scikit-learn {now}; mlship runs beside 1.4 and newer."
    return ModelRefused(
        f"{source.name} was saved by scikit-learn {then}, and {now} is installed; {why}.",
        hint=hint,
        code="other_version",
    )
