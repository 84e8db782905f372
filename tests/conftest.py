"""How the suites run: examples of Hypothesis, and which process has which tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.support.databases import stop_cluster

# What a shell says of its screen, or of somebody's node, must not change what tests see.
_OF_SHELLS = {"FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "GUOTU_NODE", "GUOTU_CONFIG", "GUOTU_DATABASE"}
for _name in _OF_SHELLS & os.environ.keys():
    del os.environ[_name]
# What a shell starts in the background, or a CI in its own way, may have Ctrl-C ignored, which programs would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
# How long an example takes says more about what else the machine does than about what is tested.
_PLAIN = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples every time, so that a run that fails tells of what was changed; `search` looks for new ones.
settings.register_profile("guotu", _PLAIN, derandomize=True)
settings.register_profile("search", _PLAIN, max_examples=500)
settings.load_profile("guotu")
# Tracebacks with the values of all variables, which structlog makes unless told otherwise, take a second each.
_CONSOLE = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _CONSOLE])


class _ByPlace(LoadFileScheduling):
    """Gives each file to one process, and all files of a folder that is a package, which share something costly."""

    def _split_scope(self, nodeid: str) -> str:
        file = Path(super()._split_scope(nodeid))
        package = self.config.rootpath / file.parent / "__init__.py"
        return str(file.parent if package.exists() else file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByPlace:
    return _ByPlace(config, log)


def pytest_sessionfinish() -> None:
    stop_cluster()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--version-runs", type=int, default=40, help="seeded runs of the version machine")
    parser.addoption("--version-seed", type=int, default=1, help="first seed of the version machine")
