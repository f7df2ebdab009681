"""The Invoke tasks. A project adds them with two lines in its tasks.py:

from migrations_ops.tasks import namespace
ns = namespace(__file__)
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from invoke.collection import Collection

# Invoke switches bytecode files off before it reads tasks.py. For our own modules that would
# mean compiling them again at each call, which takes 46 ms.
sys.dont_write_bytecode = False

from migrations_ops.cli.output.commands import INVOKE  # noqa: E402
from migrations_ops.cli.task import OpsTask  # noqa: E402
from migrations_ops.cli.tasks import backups, look, release, revisions  # noqa: E402

_TASKS = (*release.TASKS, *look.TASKS, *backups.TASKS, *revisions.TASKS)


def namespace(file: str) -> Collection:
    """The tasks for the project that a tasks.py belongs to.

    One tasks.py may collect the namespaces of several.

    :param file: the ``__file__`` of that tasks.py: its folder holds the configuration, wherever
        Invoke is called from. A relative path counts from the file that calls this function.
    """
    caller = sys._getframe(1).f_globals.get("__file__") or ""
    return tasks_of((Path(caller).parent / file).resolve().parent, INVOKE)


def tasks_of(folder: Path, program: str) -> Collection:
    """The tasks of the project in a folder, and of it alone.

    :param program: what is typed before their names.
    """
    from migrations_ops.project.config_file import environment_names
    from migrations_ops.system.streams import open_closed

    open_closed()
    names = environment_names(folder) or ["dev", "prod"]
    upgrades = [release.upgrade(name, first=name == names[0]) for name in names]
    tasks = [OpsTask(each, folder, program) for each in (*_TASKS, *upgrades)]
    for each in tasks:
        each.tasks = frozenset(str(other.name) for other in tasks)
    collection = Collection(*tasks)
    # All imported objects stay: exclude them from garbage collection, also at exit.
    gc.freeze()
    return collection
