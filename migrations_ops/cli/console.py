"""The console of a task: reads its arguments and prints its results."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrations_ops.child.protocol.redaction import HIDDEN, without_known_secrets
from migrations_ops.cli.output import documents, text
from migrations_ops.cli.output.commands import INVOKE, CommandLine, as_typed, document_as_typed
from migrations_ops.cli.output.progress import Lines
from migrations_ops.cli.output.style import Style, shown
from migrations_ops.journal.unfinished import find_unfinished
from migrations_ops.model.errors import ConfigurationError, OpsError, Refused
from migrations_ops.model.plan import EnvironmentPlan
from migrations_ops.project.project import Project
from migrations_ops.system.streams import AS_BYTES, discard, is_terminal

if TYPE_CHECKING:
    # The code that runs a task imports half of the package, which a read-only task does not need.
    from migrations_ops.operations.run import Finished


class Console:
    """Progress goes to standard error, results to standard output: as text, or one document."""

    def __init__(
        self,
        folder: Path,
        *,
        json: bool = False,
        line: CommandLine = CommandLine(),  # noqa: B008 - it is frozen
    ) -> None:
        """:param line: how the tasks are typed."""
        self._folder, self._json = folder, json
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a character must not end a release. A document stays
            # valid JSON.
            if isinstance(stream, TextIOWrapper):
                document = json and stream is sys.stdout
                stream.reconfigure(errors="backslashreplace" if document else AS_BYTES)
        self.reporter = Lines(typed=self._typed)
        self._line = line
        self.style = Style(sys.stdout)
        self._shown = False

    def project(self) -> Project:
        """The project of the tasks file.

        :raises ConfigurationError: the configuration cannot be read.
        """
        return Project.read(self._folder)

    def folder_of_init(self) -> Path:
        """The folder from which a project is looked for that has no configuration yet."""
        return self._folder if self._line.program == INVOKE else Path.cwd()

    def ask_url(self, name: str) -> str:
        """Ask for the URL of an environment, or the variable that holds it."""
        return self.reporter.ask(
            f"URL of {name}, or the variable that holds it [Enter: from the project's files]:"
        )

    def project_as_it_is(self) -> Project:
        """The project, for a task that recovers nothing: unfinished tasks are only named.

        :raises ConfigurationError: the configuration cannot be read.
        """
        project = self.project()
        style = self.reporter.style
        for unfinished in find_unfinished(project.settings.releases):
            self.reporter.say(f"{style.severity('warning')} {unfinished}")
        return project

    def show(self, as_text: Callable[[], list[str]], document: Any = None) -> None:
        """Show a result: the document where JSON was asked for, else the lines of the text."""
        if self._json and document is not None:
            self._out_document(document)
        elif not self._json:
            self._out_lines(as_text())

    def show_document(self, document: Any) -> None:
        """Show a result as JSON, whatever was asked for."""
        self._out_document(document)

    def show_commands(self, commands: Iterable[str]) -> None:
        """Show commands to a CI runner, the one exception to what text may be: what others have
        written must be escaped in them already."""
        if lines := list(commands):
            self._out("\n".join(lines))

    def show_plan(self, project: Project, plans: Sequence[EnvironmentPlan]) -> None:
        """Show the steps that would run; none was."""
        selector = project.settings.selector
        self.show(lambda: text.plan(plans, selector), documents.plan(plans))

    def show_error(self, stopped: OpsError) -> None:
        """Show the error that ends a task; with JSON, as a document."""
        if self._json and not self._shown:
            self._out_document(documents.error(stopped))
        for line in text.error(stopped, self.reporter.style):
            self.reporter.say(line)

    def show_failure(self, failed: BaseException) -> None:
        """Show an error of this tool itself, with the lines that a report of it needs."""
        import traceback

        for line in "".join(traceback.format_exception(failed)).splitlines():
            self.reporter.say(line)
        self.show_error(
            Refused(
                f"An internal error: {type(failed).__name__}: {failed}.",
                untouched="Nothing was changed.",
                next="Please report it, with the lines above.",
            )
        )

    def finish(self, finished: Finished, *lines: str, document: Any = None) -> None:
        """Show how a recorded task ended: by lines of text, or by a document.

        :raises OpsError: it was stopped.
        """
        if self._json and document is not None:
            self._out_document(document)
        elif finished.error is None and lines and not self._json:
            self._out_lines(lines)
        if finished.error is not None:
            raise finished.error

    def finish_script(self, finished: Finished, script: str, document: Any = None) -> None:
        """Show how a task ended that wrote SQL: a file or a program gets it as it is.

        :raises OpsError: it was stopped.
        """
        without = self.without_secrets(script)
        if finished.error is not None or self._json or is_terminal(sys.stdout):
            self.finish(finished, *lines_of(script), document=document)
        else:
            self._out(without)

    def without_secrets(self, script: str) -> str:
        """SQL for a file or a program, which is told where a secret was left out."""
        without = without_known_secrets(script)
        if without != script:
            self.reporter.say(
                f"This SQL has a secret of the configuration in it, in whose place is {HIDDEN}:"
                " put it there before you run it."
            )
        return without

    def confirm(self, name: str, action: str, *, yes: bool) -> None:
        """Ask for the name of a protected environment to be typed.

        :raises Refused: it was not, or there is neither a terminal nor ``--yes``.
        """
        if yes:
            return
        if not is_terminal(sys.stdin):
            raise Refused(
                f"{name} is protected, but there is no terminal to ask whether to {action}.",
                untouched="Nothing was changed.",
                next="Add --yes if that is what you want.",
            )
        if self.reporter.ask(f"{name} is protected. Type its name to {action}:") != name:
            raise Refused(f"That was not {name!r}.", untouched="Nothing was changed.")

    def _out_lines(self, lines: Iterable[str]) -> None:
        self._out("\n".join(shown(self._typed(line)) for line in lines))

    def _typed(self, shown: str) -> str:
        return as_typed(shown, self._line)

    def _out_document(self, document: Any) -> None:
        self._out(documents.text_of(document_as_typed(document, self._line)))

    def _out(self, line: str) -> None:
        self._shown = True
        try:
            sys.stdout.write(line if line.endswith("\n") else f"{line}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            discard(sys.stdout)  # the reader has seen enough
        except OSError as error:
            # The work is done; the exit code reports its result.
            discard(sys.stdout)
            self.reporter.say(f"The result could not be written: {error.strerror}.")


def lines_of(printed: str) -> list[str]:
    """The lines that a program printed."""
    return printed.expandtabs().removesuffix("\n").split("\n") if printed else []


def require_env(console: Console, env: str | None, task: str, more: str = "") -> str:
    """The environment that a task names, which has no default.

    :param more: what follows in an example of the task.
    :raises ConfigurationError: it was not given; or the configuration, whose first environment the
        example names, cannot be read.
    """
    if env:
        return env
    first = console.project().settings.path[0].name
    return require_text(None, "--env", task, f"--env {first}{more}")


def require_text(value: str | None, flag: str, task: str, example: str) -> str:
    """A flag that has no default.

    :raises ConfigurationError: it was not given.
    """
    if not value:
        raise ConfigurationError(
            f"{task} needs {flag}.", next=f"For example, type: invoke {task} {example}"
        )
    return value


def seconds(text_: str, task: str) -> float:
    """The seconds of a flag ``--timeout``.

    :raises ConfigurationError: it is no number of seconds.
    """
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", str(text_)):
        raise ConfigurationError(
            "--timeout is a number of seconds from 0 to 999999.",
            next=f"Type: invoke {task} --timeout 60",
        )
    return float(text_)


def split_arguments(text_: str) -> Sequence[str]:
    """Split a text into arguments as a shell would, the same on every platform.

    :raises ConfigurationError: a quotation mark is missing.
    """
    import shlex

    try:
        return shlex.split(text_)
    except ValueError as error:
        raise ConfigurationError(
            f"--args cannot be parsed: {error}.", next="Add the other quotation mark."
        ) from None
