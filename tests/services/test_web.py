"""The dashboard in a browser: who is let in, one engine for all, and what happens when it ends."""

import asyncio
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from feeds import worker

from sirius_cli.errors import EnvironmentProblem, UsageError
from sirius_cli.services import web
from sirius_cli.services.feed import FeedItem, Gone, Problem, Question
from sirius_cli.services.web_address import Address, free_port

HOME = Address(8123, "s3cret")
SERVER = Path(__file__).with_name("fake_web.py")
aiohttp: ModuleType = pytest.importorskip("aiohttp")
pytest.importorskip("textual_serve")


@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:8123"])
def test_who_has_the_address_is_let_in(origin: str | None) -> None:
    assert HOME.admits(host="127.0.0.1:8123", origin=origin, secret="s3cret")
    assert HOME.url == "http://127.0.0.1:8123/?secret=s3cret"


@pytest.mark.parametrize(
    ("host", "origin", "secret"),
    [
        ("127.0.0.1:8123", None, ""),
        ("127.0.0.1:8123", None, "s3creT"),
        ("127.0.0.1:8123", None, "\udcff"),
        ("evil.example:8123", None, "s3cret"),
        ("localhost:8123", None, "s3cret"),
        (None, None, "s3cret"),
        ("127.0.0.1:8123", "http://evil.example", "s3cret"),
        ("127.0.0.1:8123", "null", "s3cret"),
        ("127.0.0.1:8123", "https://127.0.0.1:8123", "s3cret"),
    ],
)
def test_nobody_else_is(host: str | None, origin: str | None, secret: str) -> None:
    assert not HOME.admits(host=host, origin=origin, secret=secret)


def test_secrets_differ() -> None:
    assert len({Address(1).secret for _ in range(20)}) == 20
    assert len(Address(1).secret) >= 20


def test_ports() -> None:
    assert free_port(0) > 0
    with pytest.raises(UsageError, match="port cannot be 70000"):
        free_port(70_000)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(EnvironmentProblem, match="give another --port"):
            free_port(taken.getsockname()[1])


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    monkeypatch.delitem(sys.modules, "sirius_cli.services.web_server", raising=False)
    with pytest.raises(EnvironmentProblem, match=re.escape('run pip install "sirius-llm[web]"')):
        web.serve(lambda door: FakeEngine(), ["true"], 0, lambda text: None)


class FakeEngine:
    """Says what it is told to say, one item at each look."""

    def __init__(self, *items: FeedItem) -> None:
        self.items = list(items)
        self.started = 0

    def start(self) -> None:
        self.started += 1

    def ask(self, question: Question) -> int:
        raise NotImplementedError

    def cancel(self) -> None: ...

    def drain(self) -> Sequence[FeedItem]:
        return [self.items.pop(0)] if self.items else []

    def close(self) -> None: ...


def test_an_engine_that_ends_is_started_again_until_it_cannot_be(tmp_path: Path) -> None:
    engine = FakeEngine(Gone("killed by signal 9"), Gone("killed by signal 9"), Problem(None, "no such model", "look"))
    told: list[str] = []
    keeper = web.EngineKeeper(engine, tmp_path / "door", told.append, pause=0.0)
    asyncio.run(keeper.keep("http://here"))
    assert engine.started == 2
    assert told == ["killed by signal 9; the engine is started again"] * 2
    assert keeper.problem == Problem(None, "no such model", "look")


def test_the_address_is_told_once_there_is_a_door(tmp_path: Path) -> None:
    door = tmp_path / "door"
    engine = FakeEngine(Gone("x"), Gone("y"), Problem(None, "z", ""))
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        door.touch()

    asyncio.run(web.EngineKeeper(engine, door, tell, pause=0.0).keep("http://here"))
    assert [text for text in told if "http://here" in text] == ["open http://here in a browser, Ctrl-C ends"]
    assert told[0].startswith("x")


@pytest.fixture
def served(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server over a fake engine in a process of its own, and its address."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER), *worker("plain")], stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stderr is not None
    found = re.search(r"http://\S+", process.stderr.readline())
    assert found is not None
    yield process, found.group()
    process.kill()
    process.communicate()


async def screen_of(address: str, shown: Callable[[str], bool], keys: str = "") -> str:
    """What a tab is sent until ``shown``, after typing ``keys``."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(address) as page:
            assert page.status == 200
            assert "font-src" not in page.headers["Content-Security-Policy"]
            socket_url = re.search(r"ws://[^\"]+", await page.text())
        assert socket_url is not None
        async with browser.ws_connect(f"{socket_url.group()}?width=100&height=30") as tab:
            await tab.send_json(["stdin", keys])
            text = ""
            while not shown(text):
                message = await asyncio.wait_for(tab.receive(), 30)
                text += message.data.decode() if isinstance(message.data, bytes) else ""
            return text


def test_two_tabs_ask_one_engine_and_strangers_none(served: tuple[subprocess.Popen[str], str]) -> None:
    process, address = served

    async def visit() -> None:
        base = address.partition("?")[0]
        async with aiohttp.ClientSession() as stranger:
            for path in ("", "ws", "static/js/textual.js", "?secret=guess"):
                async with stranger.get(base + path) as answer:
                    assert answer.status == 403
        tabs = [screen_of(address, lambda text: "tab 1 engine" in text) for _ in range(2)]
        await asyncio.gather(*tabs)

    asyncio.run(visit())
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0


def test_ctrl_c_ends_open_tabs_in_peace(served: tuple[subprocess.Popen[str], str]) -> None:
    process, address = served

    def interrupt(text: str) -> bool:
        if "tab 1 engine" in text:
            process.send_signal(signal.SIGINT)
        return "tab 1 engine" in text

    asyncio.run(screen_of(address, interrupt))
    _, told = process.communicate(timeout=10)
    assert process.returncode == 0
    assert told == ""


def test_the_door_is_closed_to_others(home: Path) -> None:
    modes: list[int] = []

    def engine_at(door: Path) -> FakeEngine:
        modes.append(stat.S_IMODE(door.parent.stat().st_mode))
        return FakeEngine(Problem(None, "no such model", "look"))

    with pytest.raises(Exception, match="no such model"):
        web.serve(engine_at, ["true"], 0, lambda text: None)
    assert modes == [0o700]
