"""Errors as the command line shows them: both languages for people, one JSON document for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.cli.console import emit_json, stderr
from node.cli.exit_codes import exit_code

if TYPE_CHECKING:
    from guotu.model.errors import GuotuError


def error_document(error: GuotuError) -> dict[str, Any]:
    """Return {"error": {reason, message, message_zh, facts, completeness?}}."""
    from node.cli.documents import completeness_document

    document: dict[str, Any] = {
        "reason": error.reason,
        "message": error.english,
        "message_zh": error.chinese,
        "facts": error.facts,
    }
    if error.completeness is not None:
        document["completeness"] = completeness_document(error.completeness)
    return {"error": document}


def report(error: GuotuError, as_json: bool) -> int:
    """Show an error; returns the exit code that goes with it."""
    if as_json:
        emit_json(error_document(error))
        return exit_code(type(error))
    from rich.text import Text

    stderr().print(Text("错误 error  ", "bold red") + Text(error.message))
    if error.completeness is not None:
        from node.cli.outcomes import outcomes_table

        stderr().print(outcomes_table(error.completeness))
    return exit_code(type(error))


def report_os_error(failure: OSError, as_json: bool) -> int:
    """Show what the operating system refused, such as a file that cannot be written."""
    from guotu.model.errors import InvalidInput

    where = f"{failure.filename}: " if failure.filename else ""
    return report(InvalidInput(detail=f"{where}{failure.strerror or failure}"), as_json)
