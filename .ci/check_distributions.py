"""The wheel holds migrations_ops alone; the source distribution holds the tests."""

import sys
import tarfile
import zipfile
from pathlib import Path


def main(folder: Path) -> int:
    """Check the distributions of a folder; returns the exit code."""
    [wheel] = folder.glob("*.whl")
    [source] = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    rooms = {name.split("/")[0] for name in names}
    strangers = {room for room in rooms if room != "migrations_ops" and "dist-info" not in room}
    assert not strangers, f"the wheel also holds {strangers}"
    assert "migrations_ops/py.typed" in names
    assert "migrations_ops/child/__main__.py" in names
    with tarfile.open(source) as archive:
        tails = {name.partition("/")[2] for name in archive.getnames()}
    for needed in ("tests/conftest.py", "alembic/env.py", "alembic.ini", "tasks.py", "LICENSE"):
        assert needed in tails, f"the source distribution lacks {needed}"
    print(f"{wheel.name} and {source.name} hold what they should")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
