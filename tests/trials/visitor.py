"""One visitor without a browser: speaks Streamlit's protocol over a websocket, as its front end does."""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

PATIENCE = 60.0  # seconds until a page must be whole
KEY = re.compile(r"\$\$ID-[0-9a-f]+-(.+)")
WHOLE, EARLY, PART = 0, 2, 3  # how a run of the script ended; PART is a fragment's


class Failed(Exception):
    """The page said that something went wrong, or did not answer."""


@dataclass
class Screen:
    """What a visitor sees after a run of the script."""

    widgets: dict[str, Any] = field(default_factory=dict)  # by key: the element
    texts: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    bytes: int = 0


class Visitor:
    """A session. ``open``, ``choose`` and ``press`` return the seconds until the page was whole again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._states: dict[str, WidgetState] = {}
        self._hashes: set[str] = set()
        self._ticks: dict[str, float] = {}  # seconds between two runs of a fragment
        self._next: dict[str, float] = {}
        self._page = ""
        self.pages: dict[str, str] = {}
        self.screen = Screen()
        self._socket: ClientConnection | None = None

    async def enter(self) -> float:
        """Open the lab in a new session."""
        origin = f"http://localhost:{self._port}"
        self._socket = await connect(
            f"ws://localhost:{self._port}/_stcore/stream", origin=origin, subprotocols=["streamlit"], max_size=None
        )
        return await self._rerun()

    async def leave(self) -> None:
        """Close the tab."""
        if self._socket is not None:
            await self._socket.close()

    async def open(self, page: str) -> float:
        """Follow the link to a page."""
        self._page = self.pages[page]
        return await self._rerun()

    async def choose(self, key: str, value: Any) -> float:
        """Set the widget of that key."""
        widget = self.screen.widgets[key]
        state = WidgetState(id=widget.id)
        if isinstance(value, bool):
            state.bool_value = value
        elif isinstance(value, str) and widget.DESCRIPTOR.name == "ButtonGroup":
            state.string_array_value.data.append(value)
        elif isinstance(value, str):
            state.string_value = value
        else:
            state.double_value = float(value)
        self._states[widget.id] = state
        return await self._rerun()

    @property
    def place(self) -> str:
        """The page that is open."""
        return next((name for name, page in self.pages.items() if page == self._page), "attack")

    def chosen(self, key: str) -> str:
        """What was chosen of the widgets of that key, empty for the usual."""
        states = (state for id, state in self._states.items() if (found := KEY.match(id)) and found[1] == key)
        return " ".join(str(getattr(state, state.WhichOneof("value"))) for state in states)

    async def press(self, key: str) -> float:
        """Press the button of that key."""
        widget = self.screen.widgets[key]
        return await self._rerun(WidgetState(id=widget.id, trigger_value=True))

    async def say(self, states: list[WidgetState]) -> float:
        """Send states of widgets as they are."""
        self._states.update((state.id, state) for state in states)
        return await self._rerun()

    async def watch(self, seconds: float) -> None:
        """Look on: fragments run by themselves meanwhile, as they do in a browser."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            due = [fragment for fragment in self._ticks if self._next[fragment] <= now]
            for fragment in due:
                if fragment in self._ticks:  # else another's run has drawn a page without it
                    self._next[fragment] = time.monotonic() + self._ticks[fragment]
                    await self._rerun(fragment=fragment)
            if not due:
                await self._receive(min(0.05, end - now))

    async def _rerun(self, trigger: WidgetState | None = None, fragment: str = "") -> float:
        message = BackMsg()
        state = message.rerun_script
        state.page_script_hash = self._page
        state.widget_states.widgets.extend(self._states.values())
        if trigger is not None:
            state.widget_states.widgets.append(trigger)
        state.cached_message_hashes.extend(self._hashes)
        state.fragment_id, state.is_auto_rerun = fragment, bool(fragment)
        if not fragment:
            self.screen = Screen()
        began = time.monotonic()
        if self._socket is None:
            raise Failed("The visitor has not entered.")
        asked = f"fragment {fragment[:8]}" if fragment else trigger.id if trigger else "the whole page"
        await self._socket.send(message.SerializeToString())
        while (ended := await self._receive(PATIENCE)) != WHOLE and not (fragment and ended == PART):
            if ended is None:
                raise Failed(f"no answer within {PATIENCE:g} s to {asked} on {self.place}")
        return time.monotonic() - began

    async def _receive(self, seconds: float) -> int | None:
        """Read messages until a run of the script ends, and say how it did; None if none does in time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self._socket is not None:
            try:
                async with asyncio.timeout(left):
                    content = await self._socket.recv(decode=False)
            except TimeoutError:
                return None
            message = ForwardMsg()
            message.ParseFromString(content)
            self.screen.bytes += len(content)
            kind = message.WhichOneof("type")
            if kind == "script_finished":
                return int(message.script_finished)
            self._take(kind, message)
        return None

    def _take(self, kind: str | None, message: ForwardMsg) -> None:
        if message.metadata.cacheable:
            self._hashes.add(message.hash)
        if kind == "navigation":
            self.pages = {page.url_pathname or "attack": page.page_script_hash for page in message.navigation.app_pages}
        elif kind == "new_session" and not message.metadata.run.fragment_ids:
            self._ticks.clear()  # a full run says anew which fragments run by themselves; the server ignores the others
        elif kind == "auto_rerun":
            self._ticks[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            self._next[message.auto_rerun.fragment_id] = time.monotonic() + message.auto_rerun.interval
        elif kind == "stop_auto_rerun":
            self._ticks.clear()
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._see(message.delta.new_element)

    def _see(self, element: Any) -> None:
        name = element.WhichOneof("type")
        inner = getattr(element, name) if name else None
        if (found := KEY.match(getattr(inner, "id", ""))) is not None:
            self.screen.widgets[found[1]] = inner
        if name == "exception":
            self.screen.errors.append(f"exception: {inner.message}")
        elif name == "alert" and inner.format == 1:
            self.screen.errors.append(inner.body)
        elif name in ("markdown", "progress"):
            self.screen.texts.append(getattr(inner, "body", "") or getattr(inner, "text", ""))
