"""The tasks as a user meets them: names, flags, chains, configuration alone."""

from __future__ import annotations

import sys

import pytest

from tests.support import R2, Sandbox, query

# Whole releases; test_gate.py has the chain of the guide.
pytestmark = pytest.mark.slow

STAGING = "\n[tool.migrations_ops.environments.prod]"


def test_every_task_of_the_contract_is_listed_with_its_group(shop: Sandbox) -> None:
    listed = shop.invoke("--list").out
    for name in (
        "release-migration", "plan", "backup", "upgrade-dev", "upgrade-prod", "verify", "status",
        "status-all", "drift", "wait", "revision", "downgrade", "stamp", "current", "history",
        "heads",
        "db-version", "backups", "restore", "prune", "doctor", "alembic", "releases", "adopt",
        "init",
    ):  # fmt: skip
        assert f"\n  {name} " in listed
    for group in ("Release", "Look", "Backups", "Revisions"):
        assert f"[{group}]" in listed


def test_short_flags_mean_the_same_everywhere(shop: Sandbox) -> None:
    for name in ("restore", "downgrade", "stamp", "adopt"):
        text = shop.invoke("--help", name).out
        assert "-e STRING, --env=STRING" in text
        assert "-y, --yes" in text
    assert "-j, --json" in shop.invoke("--help", "status-all").out


def test_a_third_environment_needs_configuration_alone(filled: Sandbox) -> None:
    text = (filled.folder / "pyproject.toml").read_text()
    url = 'url = "sqlite:///data/repom/db.staging.sqlite3"'
    staging = f"\n[tool.migrations_ops.environments.staging]\n{url}\n{STAGING}"
    filled.configure(text.replace(STAGING, staging))
    assert "upgrade-staging" in filled.invoke("--list").out
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    done = [(step["name"], step["environment"]) for step in ran.json["steps"]]
    order = [environment for name, environment in done if name == "upgrade"]
    assert order == ["dev", "staging", "prod"]
    assert ("rehearse", "staging") in done


def test_a_repeated_task_runs_each_time(filled: Sandbox) -> None:
    (filled.folder / "invoke.yaml").unlink(missing_ok=True)
    ran = filled.invoke("status", "backup", "status")
    assert ran.out.count("EXEC_ENV is not set") == 2


def test_tasks_work_from_any_folder_below(filled: Sandbox) -> None:
    below = filled.folder / "some/where"
    below.mkdir(parents=True)
    ran = filled.invoke("release-migration", cwd=below)
    assert ran.code == 0, ran.err
    assert not list(below.iterdir())


def test_a_project_without_a_tasks_py_is_released_by_the_script(filled: Sandbox) -> None:
    (filled.folder / "tasks.py").unlink()
    below = filled.folder / "some/where"
    below.mkdir(parents=True)
    script = (sys.executable, "-m", "migrations_ops")
    behind = filled.run(*script, "status-all", "--check", cwd=below)
    assert behind.code == 1
    assert "Type: python -m migrations_ops release-migration" in behind.err
    released = filled.run(*script, "release-migration", "--json", cwd=below)
    assert (released.code, released.json["outcome"]) == (0, "released"), released.err
    assert not list(below.iterdir())


def test_two_names_of_one_file_are_one_database(filled: Sandbox) -> None:
    filled.prod.unlink()
    filled.prod.hardlink_to(filled.dev)
    ran = filled.invoke("upgrade-dev")
    assert ran.code == 2
    assert "are the same database" in ran.err
    assert query(filled.dev, "SELECT version_num FROM alembic_version") == [(R2,)]


def test_models_that_env_py_does_not_import_make_no_revision_that_drops_their_tables(
    filled: Sandbox,
) -> None:
    assert filled.invoke("release-migration").code == 0
    env = filled.folder / "alembic/env.py"
    text = env.read_text()
    env.write_text(text.replace("\nname =", "\ntarget_metadata.clear()\nname =", 1))
    before = sorted((filled.folder / "alembic/versions").glob("*.py"))
    ran = filled.invoke("revision", "--message", "one")
    assert ran.code == 1
    assert "whose models env.py does not know" in ran.err
    assert "Import every module that defines models in env.py" in ran.err
    assert sorted((filled.folder / "alembic/versions").glob("*.py")) == before
    # A model that is gone is what autogenerate is for.
    one = 'target_metadata.remove(target_metadata.tables["children"])'
    env.write_text(text.replace("\nname =", f"\n{one}\nname =", 1))
    ran = filled.invoke("revision", "--message", "one", "--json")
    assert (ran.code, ran.json["operations"]) == (0, ["drop_table children"]), ran.err


def test_a_revision_whose_hook_failed_is_named_as_written(filled: Sandbox) -> None:
    ini = filled.folder / "alembic.ini"
    hook = "[post_write_hooks]\nhooks = tidy\ntidy.type = exec\ntidy.executable = no-such-program\n"
    ini.write_text(f"{ini.read_text()}\n{hook}")
    before = set((filled.folder / "alembic/versions").glob("*.py"))
    ran = filled.invoke("revision", "--message", "one", "--empty")
    [written] = set((filled.folder / "alembic/versions").glob("*.py")) - before
    assert ran.code == 3
    assert f"{written} was written before that, and the next release would run it" in ran.err


def test_a_new_project_autogenerates_its_first_revision(shop: Sandbox) -> None:
    for file in (shop.folder / "alembic/versions").glob("*.py"):
        file.unlink()
    ran = shop.invoke("revision", "--message", "one", "--json")
    assert ran.code == 0, ran.err
    assert "create_table parents" in ran.json["operations"]
    released = shop.invoke("release-migration")
    assert released.code == 0, released.err
