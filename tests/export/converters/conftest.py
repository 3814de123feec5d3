"""For tests of converters: conversion and proof happen in this process. The child is what test_confined is about."""

from __future__ import annotations

import pytest

from mlship.export import run


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make artifacts here, which is four times as fast for a small model."""
    monkeypatch.setattr(run, "_made_apart", run._made_here)
