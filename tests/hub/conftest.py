"""The local Hub and a client process, for every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.hub.client import Client
from tests.hub.hub_server import TOKEN, HubServer


@pytest.fixture(scope="session")
def running_hub() -> Iterator[HubServer]:
    server = HubServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def running_client(running_hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(running_hub.url, tmp_path_factory.mktemp("hf_home"), TOKEN)
    yield client
    client.stop()


@pytest.fixture
def hub(running_hub: HubServer) -> Iterator[HubServer]:
    """The server, empty and in working order."""
    running_hub.repos.clear()
    running_hub.blobs.clear()
    running_hub.moved.clear()
    running_hub.requests.clear()
    yield running_hub
    running_hub.failing = running_hub.limit = None


@pytest.fixture
def client(hub: HubServer, running_client: Client) -> Client:
    """The client process, beside an empty server."""
    return running_client


@pytest.fixture
def out(tmp_path: Path) -> str:
    """A directory for a run, as text for the client."""
    return str(tmp_path / "run")
