"""Templates of bundles, and the guard that nothing interpolated can end a line or a quotation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined

from mlship.errors import MlshipError

_SAFE = re.compile(r"[A-Za-z0-9._/:@=+-]*")
"""What an interpolated value may hold: none of it means anything in YAML, JSON, TOML, shells, Dockerfiles or units,
in quotes or out of them, so that no value can inject a line, whatever the place that it stands in."""


def rendered(template: str, values: Mapping[str, Any]) -> bytes:
    """Fill in a template.

    Args:
        template: Its path below `mlship/targets/templates`.
        values: What it may interpolate: texts of letters, digits and `._/:@=+-`, numbers, and True or False.

    Raises:
        MlshipError: A value holds another character; a bug of ours, since none of them is taken as the user gave it.
    """
    return _environment().get_template(template).render(values).encode()


def _environment() -> Environment:
    """No autoescape: that is for HTML, and here nothing that would have to be escaped gets in."""
    return Environment(  # noqa: S701
        loader=ChoiceLoader(
            # monitor/... are files of ours that stand elsewhere, such as the alert rules
            [PackageLoader("mlship.targets"), PrefixLoader({"monitor": PackageLoader("mlship", "monitor")})]
        ),
        undefined=StrictUndefined,
        finalize=_checked,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        # Shells, GitHub and CloudFormation have ${{ }} and {{ }} of their own; what is ours is seen at once.
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
    )


def _checked(value: Any) -> Any:
    if isinstance(value, bool | int) or (isinstance(value, str) and _SAFE.fullmatch(value)):
        return value
    raise MlshipError(f"A {type(value).__name__} that is not safe to interpolate was to go into a bundle.")


def is_script(name: str) -> bool:
    """Tell whether a file of a bundle is to be run."""
    return PurePosixPath(name).suffix == ".sh"
