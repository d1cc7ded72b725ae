"""A stranger with tools at a real server: ``python -m tests.trials.strangers`` prints what came back.

Paths that lead out of the folder, uploads without permission, pages of other sites, messages that no browser sends. The
server must refuse or ignore them, keep running, and show no traceback to anybody.
"""

import asyncio
import json
import math
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.trials.server import Server
from tests.trials.visitor import Failed, Visitor

PATHS = (
    *("/../../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/app.py"),
    *("/.streamlit/config.toml", "/.git/config", "/core/lab.py", "/requirements.lock", "/runs/", "/checkpoints/"),
    *("/app/static/../../app.py", "/media/../../etc/passwd", "/component/x/../../../../etc/passwd", "/_stcore/metrics"),
    *("/_stcore/agent/interact", "/_stcore/agent/openapi.json", "/_stcore/upload_file/x/y", "/_stcore/host-config"),
)
SECRETS = (
    b"root:x:0",
    b"gatherUsageStats =",
    b"def sidebar",
    b"class Lab",
    b"repositoryformatversion",
    b"via -r requirements",
)
NUMBERS = (math.nan, math.inf, -1.0, 1e308, 2.0**70)
STRINGS = ("x" * 100_000, "<script>", "../../etc/passwd", "\x00", "nan")
JSON = (
    "{",
    "[]",
    "null",
    '{"selection": {"a": 1}}',
    '{"epsilon": 1e999}',
    '{"value": {"epsilon": "x", "selection": 5}}',
)


def get(server: Server, path: str, **options: Any) -> tuple[int, bytes]:
    """The answer to a request."""
    request = urllib.request.Request(f"http://localhost:{server.port}{path}", **options)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, ValueError) as error:
        return 0, str(error).encode()


def requests(server: Server) -> dict[str, Any]:
    """Paths that should give nothing away, and uploads that nobody may make."""
    told = {}
    for path in PATHS:
        status, body = get(server, path)
        told[path] = f"{status}{' SECRET' if any(secret in body for secret in SECRETS) else ''}"
    told["pages that may command a lab in a frame"] = str(
        json.loads(get(server, "/_stcore/host-config")[1])["allowedOrigins"]
    )
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="../../evil"\r\n\r\nx\r\n--x--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for method in ("PUT", "POST", "DELETE"):
        told[f"{method} upload"] = str(
            get(server, "/_stcore/upload_file/none/f", method=method, data=body, headers=kind)[0]
        )
    return told


async def origins(server: Server) -> dict[str, str]:
    """Connections from pages of other sites; the last but one has a name of its own for this machine."""
    told = {}
    own, rebound = f"http://localhost:{server.port}", f"http://evil.test:{server.port}"
    for origin in ("http://evil.test", "https://localhost.evil.test", "null", rebound, own):
        name = "evil.test" if origin == rebound else "localhost"
        try:
            async with connect(
                f"ws://{name}:{server.port}/_stcore/stream",
                origin=origin,
                host="localhost",
                port=server.port,
                open_timeout=20,
            ) as socket:
                message = BackMsg()
                message.rerun_script.query_string = ""
                await socket.send(message.SerializeToString())
                async with asyncio.timeout(20):
                    await socket.recv()
                told[origin] = "let in"
        except (WebSocketException, OSError, TimeoutError) as error:
            told[origin] = f"refused ({type(error).__name__})"
    return told


async def messages(server: Server) -> dict[str, str]:
    """Values that no browser sends, for every widget of a page; then bytes that are no message at all."""
    told: dict[str, str] = {}
    visitor = Visitor(server.port)
    await visitor.enter()
    widgets = {key: widget.id for key, widget in visitor.screen.widgets.items()}
    kinds: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("double_value", NUMBERS),
        ("string_value", STRINGS),
        ("json_value", JSON),
        ("int_value", (2**62, -1)),
        ("bytes_value", (b"\xff" * 1000,)),
    )
    for field, values in kinds:
        for value in values:
            states = [WidgetState(id=identity, **{field: value}) for identity in widgets.values()]
            told[f"{field} {str(value)[:20]!r}"] = await _with(server, states)
    large = (("2 MB", bytes(2 * 2**20)), ("60 MB", bytes(60 * 2**20)))
    for name, data in (("garbage", b"\xff" * 100), ("half a message", b"\x5a\x05"), *large):
        told[name] = await _raw(server, data)
    return told


async def _with(server: Server, states: list[WidgetState]) -> str:
    """A new session that says these states; what its page says is wrong."""
    visitor = Visitor(server.port)
    await visitor.enter()
    try:
        await visitor.say(states)
        return "; ".join(sorted({text[:80] for text in visitor.screen.errors})) or "ignored"
    except Failed as error:
        return f"FAILED: {error}"
    except (WebSocketException, OSError) as error:
        return f"refused ({type(error).__name__})"
    finally:
        await visitor.leave()


async def _raw(server: Server, data: bytes) -> str:
    try:
        async with connect(
            f"ws://localhost:{server.port}/_stcore/stream", origin=f"http://localhost:{server.port}", max_size=None
        ) as socket:
            await socket.send(data)
            async with asyncio.timeout(5):
                while True:
                    await socket.recv()
    except (WebSocketException, OSError) as error:
        return f"refused ({type(error).__name__})"
    except TimeoutError:
        return "ignored"


async def asking(server: Server) -> dict[str, str]:
    """What Streamlit would do for anybody: tell of the folder's git, give out places for uploads without end."""
    visitor = Visitor(server.port)
    await visitor.enter()
    await visitor.leave()
    git, places = BackMsg(), BackMsg()
    git.load_git_info = True
    places.file_urls_request.file_names.extend([""] * 100_000)
    return {"git": await _told(server, git, "git_info"), "places": await _told(server, places, "file_urls")}


async def _told(server: Server, message: BackMsg, kind: str) -> str:
    """The size of the answer of that kind, or that there is none within some seconds."""
    own = f"http://localhost:{server.port}"
    async with connect(f"ws{own[4:]}/_stcore/stream", origin=own, max_size=None) as socket:
        await socket.send(message.SerializeToString())
        try:
            async with asyncio.timeout(5):
                while True:
                    content = await socket.recv(decode=False)
                    answer = ForwardMsg()
                    answer.ParseFromString(content)
                    if str(answer.WhichOneof("type")).startswith(kind):
                        return f"{'SECRET, ' if kind == 'git_info' else ''}{len(content):,} bytes"
        except TimeoutError:
            return "nothing"


async def clearing(server: Server) -> str:
    """One visitor runs an attack; another asks for all caches to be cleared. Is the attack still there?"""
    worker = Visitor(server.port)
    await worker.enter()
    await worker.choose("attack", "PGD")
    await worker.press("run")
    message = BackMsg()
    message.clear_cache = True
    await _raw(server, message.SerializeToString())
    await worker.watch(3)
    there = any("PGD" in text and "%" in text for text in worker.screen.texts) or "cancel" in worker.screen.widgets
    await worker.leave()
    return "the attack goes on" if there else "LOST"


def main() -> None:
    """Try everything; exit code 1 if the server fell, told a secret or let a stranger in."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        server.start()
        try:
            found: dict[str, Any] = {"requests": requests(server), "origins": asyncio.run(origins(server))}
            found["messages"] = asyncio.run(messages(server))
            found["asking"] = asyncio.run(asking(server))
            found["clearing"] = asyncio.run(clearing(server))
            found["alive"] = server.alive and get(server, "/_stcore/health")[0] == 200
            written = [str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()]
            found["written"] = sorted(name for name in written if name != "server.log")
            found["memory_mib"] = round(server.memory())
        finally:
            server.stop()
    json.dump(found, sys.stdout, indent=1, ensure_ascii=False)
    print()
    text = json.dumps(found)
    let_in = sum(answer == "let in" for answer in found["origins"].values())
    sys.exit(
        not found["alive"] or let_in != 1 or any(word in text for word in ("SECRET", "FAILED", "LOST", "Traceback"))
    )


if __name__ == "__main__":
    main()
