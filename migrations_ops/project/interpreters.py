"""The interpreters of steps, and where another interpreter finds its packages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.system import process

# The step itself has no entry for the working directory on its path either.
_ASK = (
    "import sys; del sys.path[0]\n"
    "from importlib.util import find_spec\n"
    "spec = find_spec(sys.argv[1])\n"
    "found = spec.submodule_search_locations if spec else ()\n"
    "print('\\n' + '\\n'.join(list(found or ())[:1]))\n"
)
_TIMEOUT = 60.0


def running_python() -> Path:
    """The interpreter of this process: the real one, not a version manager's slow shim."""
    return Path(sys.executable)


def find_package(
    python: Path, top: str, variables: Mapping[str, str], directory: Path
) -> Path | None:
    """The folder of a top-level package, as that interpreter finds it, without importing it.

    Only that interpreter knows its path: editable installations, ``.pth`` files and PYTHONPATH
    all change it.

    :raises ConfigurationError: the interpreter cannot be started, or does not answer.
    """
    try:
        asked = process.run([str(python), "-c", _ASK, top], variables, directory, timeout=_TIMEOUT)
    except OSError as error:
        raise _unusable(python, error.strerror or str(error)) from None
    except subprocess.TimeoutExpired:
        raise _unusable(python, f"it gave no answer within {_TIMEOUT:.0f} seconds") from None
    if asked.returncode:
        raise _unusable(python, f"it left with exit code {asked.returncode}")
    # The last line: a sitecustomize may print lines before it.
    answer = asked.stdout.decode(errors="replace").splitlines()
    return Path(answer[-1]) if answer and answer[-1] else None


def _unusable(python: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The interpreter {python} cannot be used: {reason}.",
        next="Check python in the environments of the configuration.",
    )
