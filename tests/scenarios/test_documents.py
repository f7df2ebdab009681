"""What the documents say is what the program does."""

from __future__ import annotations

import ast
import configparser
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from migrations_ops import __version__
from migrations_ops.model.thresholds import Thresholds
from migrations_ops.project import hooks, settings, toml_table
from tests.documents import (
    DOCUMENTS,
    Command,
    Scene,
    Stage,
    find_flag_tables,
    flag_table,
    flags_of_tasks,
    play,
    read_scenes,
)
from tests.picture import PICTURE, picture, release_shown
from tests.support import REPOSITORY

DOCS = REPOSITORY / "docs"
SCENES = [scene for document in DOCUMENTS for scene in read_scenes(document)]
FIRST_SCENES = [
    scene
    for scene in SCENES
    if scene.document.name in ("README.md", "tutorial.md") and scene.project == "repository"
]
TASKS = flags_of_tasks()
PACKAGE = REPOSITORY / "migrations_ops"
# What stands for a task in a sentence.
PLACEHOLDERS = {"TASK", "upgrade-NAME"}


def text_of(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


# -- the examples -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scene",
    [
        # How a newcomer begins is tried each time, the rest before a change lands.
        pytest.param(each, marks=() if each in FIRST_SCENES else pytest.mark.slow)
        for each in SCENES
    ],
    ids=lambda scene: scene.name,
)
def test_examples_print_what_the_document_shows(scene: Scene, tmp_path: Path) -> None:
    different = play(scene, tmp_path)
    report = "\n\n".join(str(each) for each in different)
    assert not different, f"{report}\n\nif that is right: python -m tests.documents"


def test_each_document_with_a_task_has_examples() -> None:
    shown = {
        act.text.split()[1]
        for scene in SCENES
        if scene.document.name == "tasks.md"
        for act in scene.acts
        if isinstance(act, Command) and act.shown and act.text.startswith("invoke ")
    }
    assert shown >= {name for name in TASKS if not name.startswith("status-all")}


def test_readme_has_the_two_commands_that_set_everything_up() -> None:
    readme = text_of("README.md")
    first = "python -m pip install -e . && python -m invoke release-migration"
    second = 'python -m pip install -e ".[test]" && python -m pytest'
    for command in (first, second, "uv run invoke release-migration", "uv run pytest"):
        assert f"\n{command}\n" in readme


# -- the tasks --------------------------------------------------------------------------------


def test_each_task_has_a_section_and_each_section_a_task() -> None:
    headings = set(re.findall(r"(?m)^## (.+)$", text_of("docs/tasks.md"))) - {"Exit codes"}
    names = {re.sub("^upgrade-.*", "upgrade-NAME", name) for name in TASKS}
    assert headings == names


def test_flags_and_defaults_of_each_task_are_those_of_its_help() -> None:
    lines = text_of("docs/tasks.md").splitlines()
    tables = {task: lines[first:last] for task, first, last in find_flag_tables(lines)}
    assert set(tables) == set(TASKS) - {"upgrade-dev"}
    for task, table in tables.items():
        assert table == flag_table(task), f"{task}: python -m tests.documents"
    assert flag_table("upgrade-dev") == flag_table("upgrade-prod")


def test_the_table_of_tasks_names_each() -> None:
    table = text_of("docs/tasks.md").partition("\n## ")[0]
    assert set(TASKS) <= set(re.findall(r"`([a-z-]+)`", table))


def calls(code: str) -> Iterator[tuple[str, list[str]]]:
    """Each call of Invoke in a text: its tasks, each with the flags that follow it."""
    for line in code.splitlines():
        for call in re.findall(r"(?<!from )\binvoke (?! )((?:\"[^\"]*\"|[^`;|&#])+)", line):
            words = re.sub(r'"[^"]*"', "TEXT", call).split()
            words[0] = words[0].rpartition(".")[2]  # of a collection
            assert words[0][0] == "-" or words[0] in {*TASKS, *PLACEHOLDERS}, call
            tasks = [number for number, word in enumerate(words) if word in TASKS]
            for begin, end in pairwise([*tasks, len(words)]):
                yield words[begin], [word for word in words[begin + 1 : end] if word[0] == "-"]


def require_known(code: str) -> int:
    """How many calls of a text there are, each of a task that has these flags."""
    count = 0
    for task, flags in calls(code):
        known = {f"--{flag.name}" for flag in TASKS[task]}
        known |= {f"-{short}" for flag in TASKS[task] for short in flag.shorts}
        assert known.issuperset(flag.partition("=")[0] for flag in flags if flag != "-1"), task
        count += 1
    return count


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_flags_that_a_document_shows_exist(document: Path) -> None:
    code = re.findall(r"(?s)```.*?```|`[^`\n]+`", document.read_text(encoding="utf-8"))
    require_known("\n".join(code))


def texts(module: Path) -> Iterator[str]:
    """The texts of a module's sentences, with ``dev`` for whatever is filled in.

    What directly follows that is a further flag, or nothing.
    """
    nodes = list(ast.walk(ast.parse(module.read_bytes())))
    whole = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in whole for part in node.values}
    for text in whole:
        filled = [None, *(isinstance(part, ast.FormattedValue) for part in text.values)]
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else "" if after else "dev"
            for after, part in zip(filled, text.values, strict=False)
        )
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def test_what_the_program_tells_to_type_exists() -> None:
    told = [text for module in PACKAGE.rglob("*.py") for text in texts(module)]
    # What is composed of the words of a call is no call that could be read here.
    calls_told = [text for text in told if "invoke " in text and "invoke dev" not in text]
    sentences = [text.replace(". ", "\n") for text in calls_told if "\n\n" not in text]
    assert sum(require_known(text) for text in sentences) > 20


def test_each_flag_of_the_tasks_tells_its_default() -> None:
    for name, flags in TASKS.items():
        for flag in flags:
            assert re.search(r"\((default: .+|no default)\)$", flag.help), f"{name} --{flag.name}"


# -- the configuration ------------------------------------------------------------------------


def rows(document: str, heading: str) -> dict[str, list[str]]:
    """The table below a heading, by the name in its first column."""
    section = text_of(document).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    table = section.partition("| key |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [re.split(r" ?(?<!\\)\| ?", row.strip("| ")) for row in table]
    return {row[0].strip("`"): row[1:] for row in cells}


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("The project", settings._TOP_KEYS),
        ("Hooks", hooks.KEYS),
        ("An environment", settings._ENVIRONMENT_KEYS),
    ],
)
def test_each_key_of_the_configuration_is_described(
    heading: str, keys: dict[str, toml_table.Check]
) -> None:
    described = rows("docs/configuration.md", heading)
    assert described.keys() == keys.keys()
    for key, (kind, _) in keys.items():
        if keys[key] is not toml_table.ANY:
            assert described[key][0] == kind, key


def test_defaults_of_the_configuration_are_those_that_are_described(tmp_path: Path) -> None:
    file = tmp_path / "migrations_ops.toml"
    file.write_text('[environments.a]\nurl = "sqlite:///a"\n[environments.b]\nurl = "sqlite:///b"')
    found = settings.read(tmp_path)
    first = found.path[0]
    owners = {"The project": found, "Hooks": found.hooks, "An environment": first}
    for heading, owner in owners.items():
        for key, (_, default, *_) in rows("docs/configuration.md", heading).items():
            if default == "required":
                continue
            value = getattr(owner, {"pass": "passed_variables"}.get(key, key))
            if value in (hooks.Hooks(), Thresholds()):
                value = {}
            if isinstance(value, Path):
                value = value.relative_to(tmp_path).as_posix()
            if isinstance(value, tuple):
                value = list(value)
            wanted = None if default == "none" else tomllib.loads(f"x = {default.strip('`')}")["x"]
            assert value == wanted, key
    assert found.path[-1].protected
    assert not first.protected


def configurations() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for number, block in enumerate(re.findall(r"(?s)```toml\n(.*?)```", text)):
            if "environments." in block:
                yield f"{document.name}-{number}", block


CONFIGURATIONS = dict(configurations())


@pytest.mark.parametrize("block", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_configurations_of_the_documents_are_valid(block: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(block, encoding="utf-8")
    if "[tool." not in block:
        (tmp_path / "pyproject.toml").rename(tmp_path / "migrations_ops.toml")
    assert settings.read(tmp_path).path


# -- files that a reader copies ---------------------------------------------------------------

FILE = re.compile(r"(?s)<!-- file: (\S+) -->\n```(\w+)\n(.*?)\n```")
FILES = {
    f"{document.name}: {name}": (language, body)
    for document in DOCUMENTS
    for name, language, body in FILE.findall(document.read_text(encoding="utf-8"))
}
READERS: dict[str, Callable[[str], object]] = {
    "ini": lambda text: configparser.ConfigParser(interpolation=None).read_string(text),
    "python": ast.parse,
    "toml": tomllib.loads,
    "yaml": lambda text: [*yaml.safe_load_all(text)],
}
TO_READ = {file: found for file, found in FILES.items() if found[0] in READERS}


@pytest.mark.parametrize("file", TO_READ)
def test_files_that_a_reader_copies_can_be_read(file: str) -> None:
    language, body = FILES[file]
    READERS[language](body)


WORKFLOWS = [*REPOSITORY.glob(".github/workflows/*.yml"), *REPOSITORY.glob(".pre-commit-*.yaml")]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_of_this_repository_can_be_read(file: Path) -> None:
    assert yaml.safe_load(file.read_text(encoding="utf-8"))


def test_each_step_of_a_workflow_names_a_known_command() -> None:
    commands = [line for _, body in FILES.values() for line in body.splitlines()]
    commands += re.findall("`([^`]+)`", text_of("AGENTS.md"))
    # Each says it as a shell does or as a list; both are read as a call.
    calls = [
        re.sub('[]"[,]+', " ", line.replace("bin/", " "))
        for line in commands
        if "pip install" not in line
    ]
    known = [line for line in calls if re.search(r"\bmigrations-ops\s+[a-z]", line)]
    assert (
        sum(require_known(re.sub(r"\bmigrations-ops\s+", "invoke ", line)) for line in known) > 10
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="an image for Linux")
def test_entrypoint_of_a_container_upgrades_and_becomes_the_application(tmp_path: Path) -> None:
    stage = Stage("repository", tmp_path)
    entrypoint = stage.folder / "entrypoint.sh"
    entrypoint.write_text(FILES["containers.md: entrypoint.sh"][1] + "\n", encoding="utf-8")
    # The image has one environment, production.
    configuration = stage.folder / "pyproject.toml"
    text = configuration.read_text(encoding="utf-8")
    configuration.write_text(
        re.sub(r"(?s)\[tool.migrations_ops.environments.dev\].*?(?=\n\[)", "", text),
        encoding="utf-8",
    )
    served = (
        "import sqlite3; print('at', *sqlite3.connect('data/repom/db.sqlite3').execute("
        "'SELECT version_num FROM alembic_version').fetchone())"
    )
    for _ in range(2):
        code, output = stage.run(f"sh entrypoint.sh {sys.executable} -c {shlex.quote(served)}")
        assert (code, output.splitlines()[-1]) == (0, "at f296be3724ea"), output


# -- the whole --------------------------------------------------------------------------------


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", document.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


OTHERS = ("AGENTS.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "llms.txt")


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, *map(REPOSITORY.joinpath, OTHERS)], ids=lambda path: path.name
)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"(?s)```.*?```", "", document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = document.parent / name if name else document
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def test_messages_that_the_japanese_guide_explains_are_messages_of_the_product() -> None:
    messages = "\n".join(
        re.sub(r"\{[^{}]*\}", "*", string)
        for path in (REPOSITORY / "migrations_ops").rglob("*.py")
        for string in strings_of(path)
    )
    section = text_of("docs/guide.ja.md").partition("### おもなメッセージ")[2].partition("\n## ")[0]
    quoted = re.findall(r"(?m)^\| `([^`]+)` \|", section)
    assert len(quoted) > 10
    for message in quoted:
        assert re.sub(r"\b(dev|prod|\d+)\b|--env", "*", message) in messages, message


def strings_of(path: Path) -> Iterator[str]:
    """The strings of a source, formatted ones with what is filled in as ``{}``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_picture_of_the_readme_shows_the_release_of_the_tutorial() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(release_shown()), (
        "python -m tests.picture"
    )


def test_each_document_can_be_reached_from_the_readme() -> None:
    readme = text_of("README.md")
    for document in {*DOCS.glob("*.md")} - {DOCS / "index.md"}:  # the site's own page
        assert f"(docs/{document.name})" in readme


def test_version_is_written_once_and_the_changelog_knows_what_comes() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))
    assert project["project"]["version"] == __version__
    assert "## [Unreleased]" in text_of("CHANGELOG.md")


def test_the_group_for_uv_is_the_extra_for_pip() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))
    assert (
        project["dependency-groups"]["dev"] == project["project"]["optional-dependencies"]["test"]
    )
