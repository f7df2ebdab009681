"""Reads what ``init`` has to know of a project; runs nothing of it, and writes nothing."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from migrations_ops.databases.url import scheme_of, sqlite_path_of, with_sqlite_path
from migrations_ops.model.errors import OpsError, Refused
from migrations_ops.operations.init.facts import Facts, KnownUrl, Section
from migrations_ops.project.config_file import ALEMBIC_INI, PYPROJECT, find_file
from migrations_ops.project.flask_application import DOTENV, find_applications, variables_of
from migrations_ops.revisions.env_py import EnvPy, read_env_py
from migrations_ops.revisions.location import find_scripts, read_pyproject, sections_with_scripts
from migrations_ops.system.reading import read_text

# Alembic's own templates have it for a URL.
_TEMPLATE = "driver://user:pass@localhost/dbname"
_FLASK_MIGRATE = "migrations/alembic.ini"
# Where nobody keeps the project's own ini.
_NOT_LOOKED_INTO = frozenset({"node_modules", "venv", "env", "site-packages", "build", "dist"})
_DEEPEST = 3
_NAME_OF_TASKS = "migrations_ops.tasks"


def find_alembic(start: Path) -> tuple[Path, str]:
    """The folder of the project, and in it what configures Alembic.

    The nearest folder upward counts, and then those below.

    :raises Refused: there is none, or several are below.
    """
    for folder in (start, *start.parents):
        found = _alembic_in(folder)
        if found:
            return folder, found
        if (folder / ".git").exists():
            break
    below = [file.relative_to(start).as_posix() for file in _inis_below(start, _DEEPEST)]
    if len(below) == 1:
        return start, below[0]
    if below:
        folders = sorted({name.rpartition("/")[0] for name in below})
        raise Refused(
            f"There are several Alembic projects below {start}: {', '.join(below)}.",
            untouched="Nothing was written.",
            next=f"Go into the folder of one, and type it there: cd {folders[0]}",
        )
    raise Refused(
        f"There is no Alembic project in {start}: no {ALEMBIC_INI}, no [tool.alembic] in"
        f" {PYPROJECT}, no {_FLASK_MIGRATE}.",
        untouched="Nothing was written.",
        next="Go into the folder of one; or make one there: alembic init alembic",
    )


def _alembic_in(folder: Path) -> str:
    if (folder / ALEMBIC_INI).is_file():
        return ALEMBIC_INI
    if "alembic" in _tools(folder):
        return PYPROJECT
    return _FLASK_MIGRATE if (folder / _FLASK_MIGRATE).is_file() else ""


def _inis_below(folder: Path, depth: int) -> Iterator[Path]:
    with suppress(OSError):
        for each in sorted(folder.iterdir()):
            if each.name == ALEMBIC_INI and each.is_file():
                yield each
            elif depth and each.is_dir() and not each.is_symlink() and _may_hold_projects(each):
                yield from _inis_below(each, depth - 1)


def _may_hold_projects(folder: Path) -> bool:
    name = folder.name
    is_environment = (folder / "pyvenv.cfg").exists()
    return not (name.startswith(".") or name in _NOT_LOOKED_INTO or is_environment)


def read_facts(folder: Path, alembic: str) -> Facts:
    """What the files of a project tell.

    :raises OpsError: the configuration of Alembic cannot be read, or leads to no scripts.
    """
    document, ini = read_pyproject(folder / PYPROJECT), folder / alembic
    found = {} if alembic == PYPROJECT else sections_with_scripts(ini)
    found = found or {"alembic": _url_of_section(ini)}
    directory = _directory(folder, ini, next(iter(found)))
    each_env_py = {name: _env_py(folder / directory, ini, name) for name in found}
    env_py = next(iter(each_env_py.values()))
    flask = find_applications(folder) if env_py.is_flask else ()
    if env_py.is_flask:
        env_py = _with_application(env_py, folder, flask)
    configured = find_file(folder)
    tasks = _text(folder / "tasks.py")
    return Facts(
        alembic=alembic,
        sections=tuple(
            Section(name, _own_url(url, folder, directory), each_env_py[name].version_table)
            for name, url in found.items()
        ),
        env_py=env_py,
        directory=directory,
        known_urls=tuple(_known_urls(folder, is_flask=env_py.is_flask)),
        flask=flask,
        other_python=_other_python(folder),
        configured=configured.name if configured else "",
        has_pyproject=(folder / PYPROJECT).is_file(),
        has_tasks=(folder / "tasks.py").exists(),
        tasks_are_ours=_NAME_OF_TASKS in tasks,
        uses_invoke=_uses_invoke(folder, tasks, document),
        ignored=_ignored(folder),
        dependencies=_table_of_dependencies(document),
        has_dependency=_depends(document, "migrations-ops"),
    )


def _url_of_section(ini: Path) -> str:
    """The URL of an ini whose scripts pyproject.toml names."""
    from configparser import ConfigParser, Error

    parser = ConfigParser({"here": ini.parent.as_posix()})
    with suppress(Error, ValueError):
        parser.read_string(_text(ini))
        return parser.get("alembic", "sqlalchemy.url", fallback="")
    return ""


def _directory(folder: Path, ini: Path, section: str) -> str:
    """The directory in which Alembic finds its scripts: the project's folder, or that of the ini.

    :raises OpsError: there is none.
    """
    below = ini.parent.relative_to(folder).as_posix()
    try:
        find_scripts(ini, section, directory=folder)
    except OpsError:
        if below == ".":
            raise
        return below
    return "."


def _env_py(directory: Path, ini: Path, section: str) -> EnvPy:
    """:raises OpsError: the section leads to no scripts."""
    env = find_scripts(ini, section, directory=directory).env
    if env is None:
        return EnvPy()
    return read_env_py(env, (directory, directory / "src", env.parent))


def _own_url(url: str, folder: Path, directory: str) -> str:
    """A URL of an ini as the configuration would have it: a file relative to its folder."""
    if url == _TEMPLATE or "://" not in url:
        return ""
    path = sqlite_path_of(url)
    if scheme_of(url) != "sqlite" or not path:
        return url
    file = Path(os.path.normpath(folder / directory / path))
    if file.is_relative_to(folder):
        return with_sqlite_path(url, file.relative_to(folder).as_posix())
    return with_sqlite_path(url, file.as_posix())


def _known_urls(folder: Path, *, is_flask: bool) -> Iterator[KnownUrl]:
    for file in DOTENV:
        for key, value in variables_of(folder / file).items():
            if "://" not in value or not re.search("URL|URI|DSN|DATABASE|DB", key):
                continue
            if scheme_of(value) in ("sqlite", "postgresql", "mysql", "mariadb"):
                in_instance = is_flask and scheme_of(value) == "sqlite"
                directory = "instance" if in_instance else "."
                yield KnownUrl(file, key, _own_url(value, folder, directory))


def _with_application(env_py: EnvPy, folder: Path, names: tuple[str, ...]) -> EnvPy:
    """What the modules of a Flask application tell beside its env.py, which imports none."""
    from dataclasses import replace

    imported = list(env_py.imported)
    for name in names:
        module = folder.joinpath(*name.partition(":")[0].removesuffix(".py").split("."))
        for file in (module.with_suffix(".py"), module / "__init__.py"):
            if file.is_file():
                found = read_env_py(file, (folder, folder / "src"))
                imported += [*found.addresses, *found.imported]
    return replace(env_py, imported=tuple(dict.fromkeys(imported)))


def _other_python(folder: Path) -> str:
    for name in (".venv/bin/python", ".venv/Scripts/python.exe"):
        if (folder / name).exists() and not Path(sys.prefix).samefile(folder / ".venv"):
            return name
    return ""


def _ignored(folder: Path) -> tuple[str, ...] | None:
    if not any((each / ".git").exists() for each in (folder, *folder.parents)):
        return None
    return tuple(line.strip() for line in _text(folder / ".gitignore").splitlines())


def _tools(folder: Path) -> Mapping[str, Any]:
    tools = read_pyproject(folder / PYPROJECT).get("tool", {})
    return tools if isinstance(tools, dict) else {}


def _uses_invoke(folder: Path, tasks: str, document: Mapping[str, Any]) -> bool:
    """Whether Invoke is used; a tasks.py alone may be Celery's."""
    imports = re.search(r"^(?:from|import) invoke\b", tasks, re.MULTILINE)
    return bool(imports) or (folder / "invoke.yaml").exists() or _depends(document, "invoke")


def _table_of_dependencies(document: Mapping[str, Any]) -> str:
    if isinstance(_nested(document, "project", "dependencies"), list):
        return "project"
    if isinstance(_nested(document, "tool", "poetry", "dependencies"), dict):
        return "poetry"
    return ""


def _depends(document: Mapping[str, Any], package: str) -> bool:
    """Whether a project names a package among its dependencies, of any group."""
    texts = [_nested(document, "project", "dependencies")]
    for table in (("project", "optional-dependencies"), ("dependency-groups",)):
        groups = _nested(document, *table)
        texts += groups.values() if isinstance(groups, dict) else []
    listed = [each for group in texts if isinstance(group, list) for each in group]
    poetry = _nested(document, "tool", "poetry", "dependencies")
    listed += list(poetry) if isinstance(poetry, dict) else []
    names = (re.split(r"[\s\[<>=!~;@]", each, maxsplit=1)[0] for each in map(str, listed))
    return package in {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def _nested(document: Any, *keys: str) -> Any:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _text(file: Path) -> str:
    """The text of a file; empty where it cannot be read."""
    with suppress(OSError, ValueError):
        return read_text(file)
    return ""
