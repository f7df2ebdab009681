"""The Invoke tasks of one project: their flags, their console, and how an error ends them."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task

from migrations_ops.cli.output.commands import INVOKE, CommandLine

if TYPE_CHECKING:
    from migrations_ops.cli.console import Console

# The flags that may be given several times.
_REPEATED = ("allow", "url")
_SHORT = {"env": "e", "json": "j", "yes": "y"}


@dataclass(frozen=True)
class Definition:
    """A task as every project has it: what it does, and the texts of its help.

    ``body`` takes a console for its first argument, and then the flags.
    """

    body: Callable[..., None]
    group: str
    name: str
    flags: dict[str, str]


class OpsTask(Task[Any]):
    """A task of one project, never equal to another call of itself.

    Invoke drops a call that equals an earlier one, so that ``status backup status`` would show
    one status only, and the same task of two projects would count as equal.
    """

    def __init__(self, defined: Definition, folder: Path, program: str) -> None:
        super().__init__(
            defined.body,
            name=defined.name,
            positional=[],
            iterable=[name for name in _REPEATED if name in defined.flags],
            auto_shortflags=False,
            help=defined.flags,
        )
        self.__doc__ = f"[{defined.group}] {(defined.body.__doc__ or '').strip()}"
        self.folder, self.program = folder, program
        # The names of all tasks of its project, once they are collected.
        self.tasks: frozenset[str] = frozenset()

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return id(self)

    def __call__(self, c: Context, *args: Any, **kwargs: Any) -> None:
        """Run the task: the body gets a console instead of Invoke's context.

        The flags are as Invoke or another task gives them; ``--json`` is the console's.
        """
        flags = self.argspec(self.body).bind(*args, **kwargs).arguments
        line = CommandLine(self.program, _prefix(), self.tasks)
        with _console(self.folder, json=bool(flags.get("json")), line=line) as console:
            _refuse_empty(flags)
            self.body(console, **flags)
        self.times_called += 1

    def arg_opts(self, name: str, default: Any, taken_names: set[str]) -> dict[str, Any]:
        """Only ``-e``, ``-j`` and ``-y`` are short, and mean the same in every task."""
        options = super().arg_opts(name, default, taken_names)
        if name in _SHORT:
            options["names"] = [name, _SHORT[name]]
        return options


def task(
    group: str, *, name: str | None = None, **flags: str
) -> Callable[[Callable[..., None]], Definition]:
    """Make a function a task of a group; the keywords are the help of its flags."""

    def define(body: Callable[..., None]) -> Definition:
        return Definition(body, group, name or body.__name__.replace("_", "-"), flags)

    return define


def _prefix() -> str:
    """What was typed before the task's name, with its dot; Invoke tells that to no task.

    Empty where another task has called it.
    """
    call = sys._getframe(2).f_locals.get("call")
    name = getattr(call, "called_as", None) or ""
    return name[: name.rfind(".") + 1]


@contextmanager
def _console(folder: Path, *, json: bool, line: CommandLine) -> Iterator[Console]:
    """The console of a task; an error of the task ends Invoke with its exit code."""
    from migrations_ops.cli.console import Console
    from migrations_ops.model.errors import ExitCode, Interrupted, OpsError, Refused
    from migrations_ops.model.text import advice_on_os_error, os_error_in_words
    from migrations_ops.system.signals import is_interrupt, one_interrupt

    console = Console(folder, json=json, line=line)
    # A task is short and uses little memory: garbage collection would take a tenth of its time.
    gc.disable()
    try:
        with one_interrupt():
            if line.program == INVOKE:
                _refuse_runtime_configuration()
            yield console
    except OpsError as stopped:
        console.show_error(stopped)
        raise Exit(code=int(stopped.exit_code)) from None
    except OSError as failed:  # of a task without a record: the others deal with it themselves
        refused = Refused(
            f"A file or folder cannot be used: {os_error_in_words(failed)}.",
            untouched="Nothing was changed.",
            next=advice_on_os_error(failed),
        )
        console.show_error(refused)
        raise Exit(code=int(refused.exit_code)) from None
    except Exit:
        raise
    except (KeyboardInterrupt, Exception) as failed:
        if is_interrupt(failed):
            console.show_error(Interrupted("Interrupted.", next="Type: invoke status-all"))
            raise Exit(code=int(ExitCode.INTERRUPTED)) from None
        # Python itself would write it past the exit for all text.
        console.show_failure(failed)
        raise Exit(code=1) from None
    finally:
        gc.enable()


def _refuse_empty(flags: Mapping[str, Any]) -> None:
    """Refuse an empty flag: it comes from an unset shell variable. Only a note may be empty.

    :raises ConfigurationError: there is such a flag.
    """
    from migrations_ops.model.errors import ConfigurationError

    for name, value in flags.items():
        if value == "" and name != "note":
            flag = f"--{name.replace('_', '-')}"
            raise ConfigurationError(
                f"{flag} is empty.", next=f"Give it a value, or leave {flag} out."
            )


def _refuse_runtime_configuration() -> None:
    """Refuse the one INVOKE_* variable that can make Invoke load the tasks of another project.

    :raises ConfigurationError: the variable is set.
    """
    from migrations_ops.model.errors import ConfigurationError

    if os.environ.get("INVOKE_RUNTIME_CONFIG"):
        raise ConfigurationError(
            "INVOKE_RUNTIME_CONFIG is set: it lets the shell decide which tasks Invoke runs.",
            next="Unset it; for one command, type: invoke --config FILE",
        )


def is_dry_run() -> bool:
    """Whether ``--dry`` was typed; INVOKE_RUN_DRY in the shell decides nothing here."""
    return bool({"--dry", "-R"} & set(sys.argv[1:]))
