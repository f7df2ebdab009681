"""A shell, and a working directory, that would lead every command astray if they could."""

from __future__ import annotations

import random
from pathlib import Path

# Ends every interpreter that is started as a step; the parent's own is the caller's business.
_SITECUSTOMIZE = """
import os, sys
if any("child" in word or word == "alembic" for word in sys.orig_argv[1:]):
    os._exit(77)
"""
_BREAKS = 'raise RuntimeError("a package of the shell was imported")\n'


def make_hostile(folder: Path, chance: random.Random) -> dict[str, str]:
    """Variables that a step must never see; some of them lead to files that are made here."""
    nowhere = "sqlite:////nowhere/at/all.sqlite3"
    prod = f"sqlite:///{folder / 'data/repom/db.sqlite3'}"
    packages = folder / "packages of the shell"
    (packages / "sitecustomize.py").parent.mkdir()
    (packages / "sitecustomize.py").write_text(_SITECUSTOMIZE)
    for name in ("alembic", "sqlalchemy"):
        (packages / name).mkdir()
        (packages / name / "__init__.py").write_text(_BREAKS)
    (folder / ".env").write_text(f"EXEC_ENV=prod\nDATABASE_URL={prod}\n")
    return {
        "EXEC_ENV": chance.choice(["dev", "prod", "nobody", ""]),
        "ALEMBIC_CONFIG": "/nowhere/alembic.ini",
        "DATABASE_URL": chance.choice([nowhere, prod]),
        "SQLALCHEMY_URL": nowhere,
        "SQLALCHEMY_DATABASE_URI": nowhere,
        "SQLALCHEMY_WARN_20": "1",
        "INVOKE_RUN_WARN": "1",
        "INVOKE_RUN_DRY": "1",
        "PYTHONSTARTUP": "/nowhere.py",
        "PYTHONPATH": str(packages),
        "PYTHONOPTIMIZE": chance.choice(["", "2"]),
        "BASH_ENV": "/nowhere.sh",
        "SQLITE_TMPDIR": "/nowhere",
    }
