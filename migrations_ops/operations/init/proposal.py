"""The configuration that ``init`` proposes for a project: pure functions over its facts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from migrations_ops.databases.url import scheme_of, sqlite_path_of, with_sqlite_path
from migrations_ops.model.errors import ConfigurationError, Refused
from migrations_ops.operations.init.facts import Facts, Section, Tried, Wanted, Way
from migrations_ops.project.config_file import OWN_FILE, PYPROJECT, makes_a_task
from migrations_ops.project.toml_table import is_variable, nearest

STORE = ".migrations_ops"
# Of SQLite's files: see databases/sqlite/lock.py.
_LOCKS = ".*.release-lock*"
PACKAGE = "migrations-ops"
_EXTRAS = {"postgresql": "[postgresql]", "mysql": "[mariadb]", "mariadb": "[mariadb]"}
_PASSWORD = re.compile(r"://[^/?#]*:[^/?#]*@|[?&](?:password|passwd|sslpassword)=", re.IGNORECASE)


@dataclass(frozen=True)
class Proposal:
    """What is to be written: the tables of ``file``, and what goes into other files.

    ``notes`` are sentences for the user. ``to_set`` has the URLs whose passwords go into no file,
    by the variable that has to be set to each.
    """

    file: str
    table: Mapping[str, Any]
    environments: Mapping[str, Mapping[str, Any]]
    dependency: str = ""
    ignored: tuple[str, ...] = ()
    tasks: bool = False
    notes: tuple[str, ...] = ()
    to_set: Mapping[str, str] = field(default_factory=dict, repr=False)


def require_adoptable(facts: Facts) -> None:
    """:raises Refused: env.py migrates several databases in one run."""
    if facts.env_py.has_several_databases:
        raise Refused(
            f"The env.py of {facts.alembic} migrates several databases in one run, as the multidb"
            " templates do; an environment here is one database with one version table. If such a"
            " run were killed, some of them would stay behind.",
            untouched="Nothing was written.",
            next="Give each database a section of its own in the ini, with its own"
            " script_location; then type: invoke init",
        )


def names_of(facts: Facts, wanted: Wanted) -> dict[str, tuple[str, Section]]:
    """The environments by name: of which stage, and of which section of the ini.

    :raises ConfigurationError: a name makes no task, is there twice, or has a URL and is not there.
    """
    several = len(facts.sections) > 1
    made = {
        f"{stage}-{section.name}" if several else stage: (stage, section)
        for section in facts.sections
        for stage in wanted.environments
    }
    stages = wanted.environments
    wrong = [name for name in made if not makes_a_task(name)]
    if not stages or wrong or len(set(stages)) < len(stages):
        raise ConfigurationError(
            f"--envs is {','.join(stages)!r}: each name once, of letters, digits, - and _.",
            next="For example, type: invoke init --envs dev,prod",
        )
    for name in wanted.urls:
        if name not in made:
            raise ConfigurationError(
                f"--url names the environment {name!r}{nearest(name, list(made))}",
                next=f"The environments are {', '.join(made)}; --envs changes them.",
            )
    return made


def propose(facts: Facts, wanted: Wanted, tried: Tried) -> Proposal:
    """The configuration of a project.

    :raises OpsError: it cannot be configured, or not as it is wanted.
    """
    require_adoptable(facts)
    to_set: dict[str, str] = {}
    environments: dict[str, Mapping[str, Any]] = {}
    for name, (stage, section) in names_of(facts, wanted).items():
        url = _as_tried(_url(name, stage, section, facts, wanted, to_set), facts, tried)
        environments[name] = {"url": url, **_settings(facts, section, tried.way, url)}
    way = tried.way
    return Proposal(
        file=PYPROJECT if facts.has_pyproject else OWN_FILE,
        table={"alembic": facts.alembic, "selector": way.selector, "backups": f"{STORE}/backups"},
        environments=environments,
        dependency=_dependency(facts, wanted, environments),
        ignored=_ignored(facts, environments.values()),
        tasks=(facts.uses_invoke or wanted.tasks) and not facts.has_tasks,
        notes=tuple(_notes(facts, wanted, tried, environments, to_set)),
        to_set=to_set,
    )


def _settings(facts: Facts, section: Section, way: Way, url: Any) -> dict[str, Any]:
    """The keys of an environment beside its URL."""
    if way.x and not isinstance(url, str):
        raise Refused(
            f"env.py takes its URL from -x {way.x}=..., where every user of the machine can read"
            " it; so a URL with a password cannot be handed over.",
            untouched="Nothing was written.",
            next="Let env.py read the URL from a variable as well, and then type: invoke init",
        )
    pairs = {
        "section": section.name if section.name != "alembic" else None,
        "directory": facts.directory if facts.directory != "." else None,
        "python": way.python,
        "flask": way.flask,
        "variables": {way.variable: "{url}"} if way.variable else None,
        "ini_url": way.ini_url,
        "x": [f"{way.x}={url}"] if way.x else None,
        "version_table": section.version_table,
    }
    return {key: value for key, value in pairs.items() if value}


def _url(
    name: str, stage: str, section: Section, facts: Facts, wanted: Wanted, to_set: dict[str, str]
) -> Any:
    """Where the URL of an environment comes from, as the configuration has it."""
    variable = f"{name.upper().replace('-', '_')}_DATABASE_URL"
    given = wanted.urls.get(name, "")
    if given and "://" not in given:
        if not is_variable(given):
            raise ConfigurationError(
                f"--url {name} is neither a URL nor the name of a variable.",
                next=f"For example, type: invoke init --url {name}=sqlite:///{name}.db",
            )
        return {"variable": given}
    if given:
        return _without_password(given, variable, to_set)
    known = facts.known_urls[0] if facts.known_urls and len(facts.sections) == 1 else None
    found = section.url or (known.url if known else "")
    if scheme_of(found) == "sqlite" and sqlite_path_of(found):
        default = "prod" if "prod" in wanted.environments else wanted.environments[-1]
        return found if stage == default else _beside(found, stage)
    if not found or len(wanted.environments) > 1:
        # Which of them the URL that is there belongs to is not for a program to guess.
        return {"variable": variable}
    if known and found == known.url:
        return {"file": known.file, "key": known.key}
    return _without_password(found, variable, to_set)


def _as_tried(url: Any, facts: Facts, tried: Tried) -> Any:
    """With the driver that the trial handed to an async env.py: it fails with sqlite3's."""
    plain = "sqlite:"
    if not (facts.env_py.is_async and tried.works) or not str(url).startswith(plain):
        return url
    return f"sqlite+aiosqlite:{url.removeprefix(plain)}"


def _without_password(url: str, variable: str, to_set: dict[str, str]) -> Any:
    if not _PASSWORD.search(url):
        return url
    to_set[variable] = url
    return {"variable": variable}


def _beside(url: str, stage: str) -> str:
    """SQLite's file of another environment: ``data/app.dev.db`` for ``data/app.db``."""
    path = sqlite_path_of(url)
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    other = f"{stem}.{stage}{dot}{ending}" if stem else f"{name}.{stage}"
    return with_sqlite_path(url, f"{folder}{slash}{other}")


def _dependency(facts: Facts, wanted: Wanted, environments: Mapping[str, Any]) -> str:
    if not facts.dependencies or facts.has_dependency:
        return ""
    urls = [*wanted.urls.values(), *(each["url"] for each in environments.values())]
    urls += [known.url for known in facts.known_urls] + [each.url for each in facts.sections]
    schemes = [scheme_of(url) for url in urls if isinstance(url, str) and "://" in url]
    return PACKAGE + next((_EXTRAS[each] for each in schemes if each in _EXTRAS), "")


def _ignored(facts: Facts, environments: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The lines that .gitignore lacks: backups and records hold rows of production, as do the
    files of SQLite in the project, which have a file for their lock beside them."""
    if facts.ignored is None:
        return ()
    lines = [] if _is_ignored(STORE, facts.ignored) else [f"/{STORE}/"]
    urls = [url for each in environments if isinstance(url := each["url"], str)]
    files = [sqlite_path_of(url) for url in urls if scheme_of(url) == "sqlite"]
    inside = [file for file in files if not re.match(r"[/~]|\w:|\.\.", file)]
    lines += [f"/{file}*" for file in inside if not _is_ignored(file, facts.ignored)]
    if inside and not _is_ignored(_LOCKS, facts.ignored):
        lines.append(_LOCKS)
    return tuple(lines)


def _is_ignored(name: str, lines: Iterable[str]) -> bool:
    """Whether a line ignores a file or folder, as far as that is simple to tell."""
    plain = [line.strip("/") for line in lines if line and not line.startswith(("#", "!"))]
    parts = [name, name.rpartition("/")[2], *name.split("/")[:-1]]
    return any(fnmatchcase(part, line) for part in parts for line in plain)


def _notes(
    facts: Facts,
    wanted: Wanted,
    tried: Tried,
    environments: Mapping[str, Mapping[str, Any]],
    to_set: Mapping[str, str],
) -> Iterator[str]:
    way = tried.way
    if tried.works:
        yield f"env.py {way.in_words}: it opened a throw-away database that was handed to it so."
    elif tried.reason:
        yield (
            f"env.py {way.in_words}, as far as its source tells; with a throw-away database of"
            f" SQLite it failed: {tried.reason}."
        )
    elif facts.env_py.parts and way == Way():
        yield (
            f"env.py puts its URL together from {', '.join(facts.env_py.parts)}: add them to the"
            " variables of each environment, and the names of secrets to its pass."
        )
    else:
        yield f"env.py {way.in_words}; doctor tries it with the databases."
    unset = [
        each["url"]["variable"]
        for each in environments.values()
        if isinstance(each["url"], dict) and "variable" in each["url"]
    ]
    if unset:
        yield f"Set before a release: {', '.join(dict.fromkeys(unset))}."
    if unset and facts.env_py.is_async:
        yield (
            "env.py opens an async engine: unless it adds the driver itself, a URL has to name one,"
            " such as sqlite+aiosqlite or postgresql+asyncpg."
        )
    if to_set:
        yield "A URL with a password is written into no file."
    if (facts.uses_invoke or wanted.tasks) and facts.has_tasks and not facts.tasks_are_ours:
        yield (
            "tasks.py is yours and stays as it is. For invoke, add to it: from migrations_ops.tasks"
            " import namespace; and: ns.add_collection(namespace(__file__), name='db')."
        )


def parse_urls(texts: Iterable[str]) -> dict[str, str]:
    """``--url NAME=URL``, as often as it was given.

    :raises ConfigurationError: one has no name or no URL.
    """
    urls = {}
    for text in texts:
        name, equals, url = text.partition("=")
        if not name or not equals or not url.strip() or "://" in name:
            raise ConfigurationError(
                "--url is written NAME=URL.",
                next="For example, type: invoke init --url prod=PROD_DATABASE_URL",
            )
        urls[name] = url.strip()
    return urls
