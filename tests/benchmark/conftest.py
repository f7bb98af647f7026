"""The tests in inside/ need PyTorch, which this interpreter has not; test_inside.py has another one run them."""

from __future__ import annotations

collect_ignore = ["inside"]
