"""A lint report as commands of GitHub Actions, which shows them at the lines of a pull request.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from migrations_ops.child.protocol.escaping import defused
from migrations_ops.cli.output.style import plain
from migrations_ops.model.lint import LintFinding, LintReport

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def as_commands(report: LintReport, prefix: str) -> list[str]:
    """A command for each finding.

    :param prefix: the folder of the project within its repository.
    """
    return [_command(each, prefix) for each in report.findings]


def _command(found: LintFinding, prefix: str) -> str:
    properties = {
        "file": f"{prefix}{found.file}",
        "line": str(found.line),
        "title": found.code,
    }
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    message = found.message if found.severity == "note" else f"{found.message}. {found.advice}"
    return f"::{_COMMANDS[found.severity]} {listed}::{_data(message)}"


def _data(text: str) -> str:
    """Without what ends the command, or acts on the log: text of others is in it."""
    return defused(plain(text)).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
