"""What ``init`` knows of a project, and what it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from migrations_ops.revisions.env_py import EnvPy


@dataclass(frozen=True)
class Section:
    """A section of the ini that has scripts, the URL that is written there, and the version table
    that its env.py names."""

    name: str
    url: str = ""
    version_table: str = ""


@dataclass(frozen=True)
class KnownUrl:
    """A URL that a file such as ``.env`` has under a key."""

    file: str
    key: str
    url: str = field(repr=False)


@dataclass(frozen=True)
class Facts:
    """A project as it is. Files are relative to its folder, with slashes.

    ``flask`` are the names that FLASK_APP could have. ``other_python`` is the interpreter of the
    project's own virtual environment, where another one runs this. ``configured`` is the file that
    has a configuration already. ``ignored`` are the lines of .gitignore, None where git is not
    used. ``dependencies`` is the table that lists them: project, poetry, or none.
    """

    alembic: str
    sections: tuple[Section, ...]
    env_py: EnvPy = field(default_factory=EnvPy)
    directory: str = "."
    known_urls: tuple[KnownUrl, ...] = ()
    flask: tuple[str, ...] = ()
    other_python: str = ""
    configured: str = ""
    has_pyproject: bool = False
    has_tasks: bool = False
    tasks_are_ours: bool = False
    uses_invoke: bool = False
    ignored: tuple[str, ...] | None = None
    dependencies: str = ""
    has_dependency: bool = False


@dataclass(frozen=True)
class Wanted:
    """What the user asks for: the environments in their order, and URLs by environment."""

    environments: tuple[str, ...] = ("dev", "prod")
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    tasks: bool = False


@dataclass(frozen=True)
class Way:
    """One way in which env.py may get its URL: a variable, the ini, or a key of ``-x``.

    ``selector`` is the variable that names the environment to it, ``flask`` the application that it
    needs, and ``python`` the interpreter, where they are set.
    """

    variable: str = ""
    ini_url: bool = False
    x: str = ""
    selector: str = ""
    flask: str = ""
    python: str = ""

    @property
    def in_words(self) -> str:
        """How the URL gets in, for a sentence that begins with env.py."""
        if self.variable:
            return f"takes its URL from the variable {self.variable}"
        if self.ini_url:
            return "takes its URL from sqlalchemy.url"
        if self.x:
            return f"takes its URL from -x {self.x}=..."
        if self.selector:
            return f"chooses its database by {self.selector}"
        return "does not show how it gets its URL"


@dataclass(frozen=True)
class Tried:
    """A way that was tried with a throw-away database.

    ``reason`` is why it did not work; ``elsewhere`` means that env.py opened another database.
    """

    way: Way
    works: bool
    reason: str = ""
    elsewhere: bool = False
