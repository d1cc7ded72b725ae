"""Serve the app with the fake lab: ``python tests/browser/serve_fake.py PORT [seconds per ε]``."""

import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import core.lab  # noqa: E402
from fake_lab import FakeLab  # noqa: E402

port, pace = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 0.3
core.lab.Lab = partial(FakeLab, pace=pace)
sys.argv = ["streamlit", "run", str(ROOT / "app.py"), "--server.port", port, "--server.fileWatcherType", "none"]

from streamlit.web.cli import main  # noqa: E402

main()
