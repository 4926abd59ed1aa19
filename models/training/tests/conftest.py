"""Tests of what needs PyTorch are left out where it is not installed, unless ECG_REQUIRE_TORCH is set."""

import importlib.util
import os

collect_ignore = []
if importlib.util.find_spec("torch") is None:
    if os.environ.get("ECG_REQUIRE_TORCH"):
        raise SystemExit("PyTorch is not installed, and ECG_REQUIRE_TORCH is set")
    collect_ignore = ["test_training.py", "test_context.py"]


def pytest_terminal_summary(terminalreporter):
    if collect_ignore:
        terminalreporter.write_line(f"left out, because PyTorch is not installed: {' '.join(collect_ignore)}")
