"""A real server in a folder of its own, for a trial: started, measured, killed, started again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds until a server must answer


def free_port() -> int:
    """A port of the loopback interface that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """The lab at ``http://localhost:<port>``; results and runs lie in ``folder``, training is off."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it and wait until it answers; the seconds that took. Raises RuntimeError if it does not."""
        began = time.monotonic()
        environment = os.environ | {
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "LAB_RUNS": str(self.folder / "runs"),
            "LAB_TRAINING": "off",
            "MALLOC_ARENA_MAX": "2",  # these three as make serve sets them
            "OMP_WAIT_POLICY": "PASSIVE",
            "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 2) // 2)),
        }
        words = ["-m", "streamlit", "run", str(PROJECT / "app.py"), f"--server.port={self.port}"]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *words], cwd=PROJECT, env=environment, stdout=log, stderr=log
            )
        while time.monotonic() - began < PATIENCE:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"http://localhost:{self.port}/_stcore/health", timeout=2):
                    return time.monotonic() - began
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"The server does not answer; see {self.folder / 'server.log'}.")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """Ask it to end, and make it."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def memory(self) -> float:
        """Its resident memory in MiB (Linux), 0 where it cannot be told."""
        try:
            text = Path(f"/proc/{self.process.pid if self.process else 0}/status").read_text()
            return int(text.split("VmRSS:")[1].split()[0]) / 1024
        except (OSError, IndexError):
            return 0.0

    def complaints(self) -> list[str]:
        """The errors in its log, each once."""
        text = (self.folder / "server.log").read_text(errors="replace")
        return sorted({line[:300] for line in text.splitlines() if "Error" in line or "Traceback" in line})
