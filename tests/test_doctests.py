"""What docstrings show is what happens."""

from __future__ import annotations

import doctest
import importlib

import pytest
from test_layers import modules


@pytest.mark.parametrize("name", [name for name in modules() if name != "__main__"])
def test_examples_of(name):
    found = doctest.testmod(importlib.import_module(f"vlog.{name}"))

    assert found.failed == 0
