"""For tests of converters: conversion and proof happen in this process. The child is what test_confined is about."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _here(made_here: None) -> None:
    """Make artifacts in this process."""
