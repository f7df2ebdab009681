"""``migrations-ops TASK ...``, and ``python -m migrations_ops TASK ...``."""

from __future__ import annotations

import sys
from pathlib import Path

from migrations_ops.cli.output.commands import CommandLine
from migrations_ops.cli.program import NAME, Program
from migrations_ops.project.config_file import find_project
from migrations_ops.system.streams import discard
from migrations_ops.tasks import tasks_of


def main() -> None:
    """Run the tasks of the project that the working directory belongs to."""
    is_module = Path(sys.argv[0]).name == "__main__.py"
    program = "python -m migrations_ops" if is_module else NAME
    try:
        folder = find_project(Path.cwd())
    except FileNotFoundError:  # the working directory was removed
        folder = Path()
    namespace = tasks_of(folder, program)
    line = CommandLine(program, tasks=frozenset(namespace.task_names))
    try:
        Program(namespace, folder, line).run()
    except BrokenPipeError:  # who read the list of tasks has seen enough; a task deals with its own
        discard(sys.stdout)


if __name__ == "__main__":
    main()
