"""The command ``migrations-ops``: the tasks of the nearest project, without a tasks.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import invoke.program
from invoke.collection import Collection
from invoke.config import Config
from invoke.exceptions import Exit, ParseError
from invoke.executor import Executor
from invoke.parser.argument import Argument

from migrations_ops.cli.output.commands import CommandLine

NAME = "migrations-ops"
# Those of Invoke that concern processes which a task starts through it; ours starts none so.
_WITHOUT_USE = frozenset(
    {"command-timeout", "config", "echo", "hide", "prompt-for-sudo-password", "pty", "warn-only"}
)


class Program(invoke.program.Program):
    """Invoke's own program over our tasks, in which usage errors end with 2."""

    def __init__(self, namespace: Collection, folder: Path, line: CommandLine) -> None:
        super().__init__(namespace=namespace, name=NAME, binary=line.program, binary_names=[NAME])
        self._folder, self._line = folder, line

    def core_args(self) -> list[Argument]:
        return [each for each in super().core_args() if each.name not in _WITHOUT_USE]

    def create_config(self) -> None:
        # Neither files of the user nor variables of the shell decide how a task runs.
        self.config = Config(lazy=True)

    def update_config(self, merge: bool = True) -> None:
        self.config.load_overrides({}, merge=merge)

    def parse_core(self, argv: list[str] | None) -> None:
        with self._usage_errors():
            super().parse_core(argv)
        # Invoke has switched it off, which would mean compiling our modules at each call.
        sys.dont_write_bytecode = False

    def parse_tasks(self) -> None:
        with self._usage_errors():
            super().parse_tasks()

    def parse_cleanup(self) -> None:
        with self._usage_errors():
            super().parse_cleanup()

    def execute(self) -> None:
        Executor(self.collection, self.config, self.core).execute(*self.tasks)

    def print_version(self) -> None:
        from importlib.metadata import version

        self.version = version(NAME)
        super().print_version()

    @contextmanager
    def _usage_errors(self) -> Iterator[None]:
        """Show what Invoke refuses as any other error of ours, as JSON too.

        :raises Exit: with 2, or with 0 where Invoke has printed what was asked for.
        """
        try:
            yield
        except (ParseError, Exit) as stopped:
            if isinstance(stopped, Exit) and not stopped.message:
                raise
            self._refuse(stopped)

    def _refuse(self, stopped: ParseError | Exit) -> None:
        from migrations_ops.cli.console import Console
        from migrations_ops.cli.usage import Usage, asks_for_json, usage_error

        context = getattr(stopped, "context", None)
        task = getattr(context, "name", None)
        flags = context.flags if context and task else self.initial_context.flags
        usage = Usage(self._line.tasks, task or "", tuple(flags))
        error = usage_error(str(getattr(stopped, "message", stopped)), usage)
        json = asks_for_json(self.argv[1:])
        Console(self._folder, json=json, line=self._line).show_error(error)
        raise Exit(code=int(error.exit_code)) from None
