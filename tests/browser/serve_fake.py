"""Serve the app with the fake lab: ``python tests/browser/serve_fake.py PORT [seconds per ε]``."""

import sys
from functools import partial
from pathlib import Path

from streamlit.web.cli import main

ROOT = Path(__file__).parents[2]


def serve(port: str, pace: str = "0.3") -> None:
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from fake_lab import FakeLab

    import core.lab

    core.lab.Lab = partial(FakeLab, pace=float(pace))
    options = ["--server.port", port, "--server.fileWatcherType", "none"]
    sys.argv = ["streamlit", "run", str(ROOT / "app.py"), *options]
    main()


if __name__ == "__main__":
    serve(*sys.argv[1:])
