"""No network, and programs that run right here."""

import socket
import sys
from types import ModuleType, SimpleNamespace

import pytest

SANDBOX = "sirius_cli.services.bench.sandbox"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a test reached for the network")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stand-in that runs programs of these tests right here; the list of what it ran."""
    ran: list[str] = []

    def run_program(program: str) -> SimpleNamespace:
        ran.append(program)
        try:
            exec(compile(program, "program", "exec"), {})
        except Exception:
            return SimpleNamespace(passed=False)
        return SimpleNamespace(passed=True)

    module = ModuleType(SANDBOX)
    module.run_program = run_program  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, SANDBOX, module)
    return ran
