"""Running the command line inside the test's process."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from node.cli.program import program
from tests.support.canned_node import CannedNode, Script


def run(node: CannedNode, *arguments: str) -> Result:
    """Run a command that asks `node`."""
    return CliRunner().invoke(program, ["--node", node.address, *arguments])


def asked(script: Script) -> Any:
    """Return the one question that the node was asked."""
    (question,) = script.questions
    return question


def document(result: Result) -> Any:
    """Return the JSON document that a command printed."""
    return json.loads(result.stdout)
