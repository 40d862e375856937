"""Fixtures for pytest, there as soon as the package is installed."""
import pytest

from . import TestingEnsemble, TestingServer


@pytest.fixture
def zookeeper():
    """A server of the test's own: `zookeeper.connect_string`."""
    with TestingServer() as server:
        yield server


@pytest.fixture(scope="session")
def zookeeper_session():
    """One server for all tests that want no other."""
    with TestingServer() as server:
        yield server


@pytest.fixture
def zookeeper_ensemble():
    """An ensemble of three of the test's own."""
    with TestingEnsemble(3) as ensemble:
        yield ensemble
