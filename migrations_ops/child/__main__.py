"""Start the child by its path: ``python .../migrations_ops/child ALEMBIC-ARGUMENTS``.

The package is loaded under a private name, so that it collides neither with another installed
version of itself nor with a project module called ``events`` or ``sqlite``.
"""

import gc

# Nothing that is imported now will ever be garbage. Collecting while importing, and again at
# exit, is a third of an Alembic command's time.
gc.disable()

import importlib.util  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

folder = os.path.dirname(os.path.abspath(__file__))
# Python puts the script's folder first on sys.path; Alembic's own command has no such entry.
if sys.path and os.path.abspath(sys.path[0]) == folder:
    del sys.path[0]
spec = importlib.util.spec_from_file_location(
    "migrations_ops_child",
    os.path.join(folder, "__init__.py"),
    submodule_search_locations=[folder],
)
assert spec is not None
assert spec.loader is not None
package = importlib.util.module_from_spec(spec)
sys.modules["migrations_ops_child"] = package
spec.loader.exec_module(package)
launcher = importlib.import_module("migrations_ops_child.launcher")

if __name__ == "__main__":
    sys.exit(launcher.main(sys.argv[1:]))
