"""Serve the app with the fake lab: ``python tests/browser/serve_fake.py PORT [seconds per ε]``."""

import sys
import tempfile
from functools import partial
from pathlib import Path

from streamlit.web.cli import main

ROOT = Path(__file__).parents[2]


def serve(port: str, pace: str = "0.3") -> None:
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    import fake_training
    from fake_lab import FakeLab

    import core.lab
    import core.processes

    core.lab.Lab = partial(FakeLab, pace=float(pace))
    core.processes.command_line = fake_training.command(float(pace))
    FakeLab.runs_folder = Path(tempfile.mkdtemp())
    options = ["--server.port", port, "--server.fileWatcherType", "none"]
    sys.argv = ["streamlit", "run", str(ROOT / "app.py"), *options]
    main()


if __name__ == "__main__":
    serve(*sys.argv[1:])
