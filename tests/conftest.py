"""What every lane of tests shares: reproducible properties, no skip on a build server, no clean-up without an end."""

import faulthandler
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# No test asserts a time, so a slow machine must not fail a property; a failure prints what reproduces it.
settings.register_profile("everywhere", deadline=None, print_blob=True)
settings.load_profile("everywhere")

# Programs that tests start keep what they compile: each start would read every module anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

CLEAN_UP_SECONDS = 240
STDERR = pytest.StashKey[int]()
STAND_INS = pytest.StashKey[dict[str, str]]()
NO_SKIPS = os.environ.get("MODELWRIGHT_NO_SKIPS") == "1"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """One PostgresServer for all tests that leave it running; it starts with the first of them."""
    from tests.making.postgres_server import PostgresServer

    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def docker_engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    """An Engine with the stand-ins for upstream images; what it is and has: tests/making/docker_host/."""
    from tests.making.docker_host.engine import NoEngineError, engine_for_tests
    from tests.making.docker_host.images import NoImagesError, make_images

    try:
        engine = engine_for_tests()
        stand_ins = make_images(engine.client)
    except (NoEngineError, NoImagesError) as gone:
        pytest.skip(str(gone))
    getattr(request.config, "workeroutput", request.config.stash[STAND_INS])["stand_ins"] = stand_ins
    yield engine
    engine.close()


@pytest.fixture
def docker_project(docker_engine: Any) -> Iterator[str]:
    """A project's name that nobody has; all that bears its label is removed after the test."""
    with docker_engine.project() as name:
        yield name


@pytest.fixture(scope="session")
def keeper_image(docker_engine: Any) -> Iterator[str]:
    """An image that keepers of environments can run from, made from what lies here."""
    from tests.making.docker_target import keeper_image

    with docker_engine.project() as name:
        yield keeper_image(docker_engine.client, name)


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One RegistryServer for all tests that leave it running; whoever asks for it asks for an engine too."""
    from tests.making.docker_host.registry import RegistryServer

    with RegistryServer(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
def ssh_host(docker_engine: Any, tmp_path: Path) -> Iterator[Any]:
    """An SshHost, on which the engine is `docker`'s own."""
    from tests.making.docker_host.ssh_host import SshHost

    with SshHost(tmp_path, variables=docker_engine.environment) as host:
        yield host


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Under MODELWRIGHT_NO_SKIPS=1 a skipped or expected failure fails by name, unless the test needs a GPU."""
    report: pytest.TestReport = yield
    if NO_SKIPS and report.skipped and item.get_closest_marker("gpu") is None:
        _refuse(report)
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Keep the real stderr for a traceback of last resort."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        config.stash[STDERR] = os.dup(2)
    config.stash[STAND_INS] = {}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What xdist's workers have to say."""
    node.config.stash[STAND_INS].update(getattr(node, "workeroutput", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name the images that were not the real ones."""
    stand_ins = config.stash[STAND_INS].get("stand_ins")
    if stand_ins:
        terminalreporter.write_line(f"Stand-ins for images, made here from packages: {stand_ins}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Bound the clean-up too: the clocks of pytest and pytest-timeout stop at a failure, and a run must not hang."""
    faulthandler.dump_traceback_later(CLEAN_UP_SECONDS, exit=True, file=item.config.stash[STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """Likewise for a module that skips itself while it is collected."""
    report: pytest.CollectReport = yield
    if NO_SKIPS and report.skipped:
        _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: skipped, and only tests marked gpu may be: {reason}"
