"""Bad input: the right exit code, one clear sentence, databases as they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.suffering import RELEASE, STATUS, VERIFY, error_lines, row, suffer
from tests.small import make_small
from tests.support import R2, R3, Sandbox, dump, query, wait_for

# -- the command line and the configuration ---------------------------------------------------

DEV = '[tool.migrations_ops.environments.dev]\nurl = "sqlite:///data/repom/db.dev.sqlite3"\n'
PROD = '[tool.migrations_ops.environments.prod]\nurl = "sqlite:///data/repom/db.sqlite3"\n'
EVERY = (
    RELEASE, "release-migration", STATUS, "status-all", "backup", "upgrade-dev --json",
    "verify --json", "doctor --json",
)  # fmt: skip


@pytest.mark.parametrize("task", ["status --json", "verify --json", "backup", "history --json"])
def test_an_unknown_environment_is_reported_with_the_nearest_name(
    filled: Sandbox, task: str
) -> None:
    suffer(filled, f"{task} --env prd", 2, "'prd'", "did you mean 'prod'?")


# tests/unit/project/test_settings.py has each mistake; here two, at which every task stops.
CONFIGURATIONS = {
    "unknown key of an environment": (
        f"{DEV}{PROD}protcted = true",
        ["environments.prod.protcted", "did you mean 'protected'?"],
    ),
    "malformed TOML": (f"{DEV}{PROD}timeout = = 3", ["not valid TOML", "line 5"]),
}


@pytest.mark.slow
@pytest.mark.parametrize(("text", "words"), CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_configuration_that_is_not_understood_stops_every_task(
    filled: Sandbox, text: str, words: list[str]
) -> None:
    filled.configure(text)
    tasks = EVERY if "TOML" in words[0] else (RELEASE, STATUS, "upgrade-dev")
    for task in tasks:
        suffer(filled, task, 2, *words)
    assert not (filled.folder / "data/repom/backups").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "variables", "words"),
    [
        ('{ variable = "PROD_URL" }', {}, "PROD_URL, which holds the URL of prod, is not set"),
        (
            '"sqlite:///data/repom/db.sqlite3"\npass = ["SECRET"]',
            {"SECRET": " "},
            "SECRET, which prod passes on, is empty",
        ),
        ('"postgres://u:hunter2@h/d"', {}, "No engine of migrations_ops reads 'postgres' URLs"),
        ('"sqlite+pysqlcipher://:pa55word@/a.db"', {}, "names no database file"),
    ],
    ids=["URL not set", "passed variable empty", "no engine", "no plain file"],
)
def test_a_url_or_variable_that_is_missing_stops_the_release_before_anything_starts(
    filled: Sandbox, url: str, variables: dict[str, str], words: str
) -> None:
    filled.configure(DEV + PROD.replace('"sqlite:///data/repom/db.sqlite3"', url))
    ran = suffer(filled, RELEASE, 2, words, variables=variables)
    assert "hunter2" not in ran.out + ran.err
    assert "pa55word" not in ran.out + ran.err
    assert "back up" not in ran.err
    if "pass" not in url:
        suffer(filled, "backup", 2, words, variables=variables)
        suffer(filled, STATUS, 2, words, variables=variables)
    suffer(filled, "upgrade-prod", 2, words, variables=variables)


def test_two_environments_with_one_database_are_refused(filled: Sandbox) -> None:
    (filled.folder / "link.sqlite3").symlink_to(filled.prod)
    filled.configure(DEV.replace("data/repom/db.dev.sqlite3", "link.sqlite3") + PROD)
    words = "dev and prod are the same database"
    for task in (RELEASE, STATUS, "upgrade-dev --json", "downgrade --env dev", "verify --json"):
        ran = suffer(filled, task, 2, words)
        assert "back up" not in ran.err


@pytest.mark.slow
def test_a_project_without_alembic_ini_can_still_be_backed_up(filled: Sandbox) -> None:
    (filled.folder / "alembic.ini").unlink()
    for task in (RELEASE, STATUS, "upgrade-dev", VERIFY, "history --json"):
        suffer(filled, task, 2, "There is no alembic.ini in")
    ran = filled.invoke("backup")
    assert ran.code == 0, ran.err
    assert dump(Path(ran.out.strip())) == dump(filled.prod)


# -- the scripts ------------------------------------------------------------------------------


def _two_heads(sandbox: Sandbox) -> None:
    sandbox.add_revision("r4", R2, "    pass")


def _syntax_error(sandbox: Sandbox) -> None:
    sandbox.add_revision("r4", R3, "    x = = 1")


def _circle(sandbox: Sandbox) -> None:
    sandbox.add_revision("r4", "r5", "    pass")
    sandbox.add_revision("r5", "r4", "    pass")


# tests/unit/revisions has each sentence.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (_two_heads, ["2 heads", R3, "r4"]),
        (_syntax_error, ["Revision r4 is not valid Python"]),
        (_circle, ["run in a circle"]),
    ],
)
def test_scripts_that_make_no_history_are_refused_and_do_not_keep_from_a_backup(
    filled: Sandbox, prepare: Callable[[Sandbox], None], words: list[str]
) -> None:
    prepare(filled)
    for task in (RELEASE, "upgrade-dev"):
        ran = suffer(filled, task, 1, *words)
        assert "back up" not in ran.err
    saved = filled.invoke("backup")
    assert saved.code == 0, saved.err


@pytest.mark.slow
def test_a_status_of_two_heads_tells_them_and_where_the_databases_stand(filled: Sandbox) -> None:
    _two_heads(filled)
    ran = filled.invoke("status-all", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["heads"] == [R3, "r4"]
    assert row(ran)["current"] == [R2]
    assert "2 heads" in row(ran)["trouble"]


def test_an_env_py_that_runs_nothing_is_named(tmp_path: Path) -> None:
    project, scripts = make_small(tmp_path / "small")
    scripts.table("r1", None)
    env = project.folder / "alembic/env.py"
    env.write_text(env.read_text().replace("context.run_migrations()", "pass"))
    ran = project.invoke("upgrade-dev", "--json")
    assert ran.code == 3, ran.err
    assert "env.py finished, but the database is at no revision" in ran.json["error"]["what"]
    assert str(env) in ran.json["error"]["next"]


# -- backups and protection -------------------------------------------------------------------


@pytest.mark.parametrize(
    "task",
    [
        "restore --env prod --backup latest",
        "downgrade --env prod --to -1",
        f"stamp --env prod --to {R3}",
    ],
)
def test_a_protected_environment_is_left_alone_where_nobody_can_be_asked(
    filled: Sandbox, task: str
) -> None:
    assert filled.invoke("backup").code == 0
    query(filled.prod, "DELETE FROM children WHERE id = 1")
    ran = suffer(filled, f"{task} --json", 1, "prod is protected, but there is no terminal")
    assert "--yes" in ran.err
    suffer(filled, task, 1, "prod is protected")


def test_bare_alembic_on_a_protected_environment_is_left_alone_too(filled: Sandbox) -> None:
    before = dump(filled.prod)
    ran = filled.invoke("alembic", "--env", "prod", "--args", "downgrade base")
    assert ran.code == 1
    assert "prod is protected" in ran.err
    assert dump(filled.prod) == before


@pytest.mark.slow
def test_a_backup_that_does_not_exist_is_a_mistyped_name(filled: Sandbox) -> None:
    suffer(filled, "restore --env prod --backup latest --yes --json", 1, "prod has no backup in")
    assert filled.invoke("backup").code == 0
    task = "restore --env prod --backup nope --yes --json"
    suffer(filled, task, 2, "prod has no backup 'nope'; the newest are: db_")


def test_a_damaged_backup_is_never_restored(filled: Sandbox) -> None:
    file = Path(filled.invoke("backup").out.strip())
    data = bytearray(file.read_bytes())
    data[-20] ^= 0xFF
    file.write_bytes(data)
    task = "restore --env prod --backup latest --yes --json"
    suffer(filled, task, 1, f"The backup {file.name} is damaged", "SHA-256")


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("restore --env dev --json", "restore needs --backup"),
        ("restore --backup latest --json", "restore needs --env"),
        ("downgrade --json", "downgrade needs --env"),
        ("stamp --json", "stamp needs --env"),
        ("alembic --env dev", "alembic needs --args"),
        ("revision --json", "revision needs --message"),
        ("upgrade-dev --to nowhere --json", "'nowhere'"),
        ("release-migration --to r --json", "'r'"),
    ],
)
def test_what_is_left_out_or_mistyped_is_reported(filled: Sandbox, task: str, words: str) -> None:
    suffer(filled, task, 2, words)


def test_an_example_has_the_environment_that_was_typed(filled: Sandbox) -> None:
    ran = suffer(filled, "restore --env prod --json", 2, "restore needs --backup")
    assert "invoke restore --env prod --backup latest" in ran.err


# -- another release --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_second_release_is_shown_who_is_at_work(filled: Sandbox) -> None:
    filled.add_revision(
        "r4",
        R3,
        "    import pathlib, time\n"
        "    pathlib.Path('begun').touch()\n"
        "    while not pathlib.Path('go').exists():\n"
        "        time.sleep(0.02)",
    )
    first = filled.start("release-migration", "--json")
    try:
        wait_for(lambda: (filled.folder / "begun").exists() or first.poll() is not None)
        for task in (RELEASE, "upgrade-dev", "restore --env dev --backup latest --json"):
            ran = filled.invoke(*task.split())
            assert ran.code == 5, ran.err
            what = error_lines(ran.err)[0]
            assert "release-migration of " in what
            assert f"(process {first.pid}, since " in what
            assert "Traceback" not in ran.err
            if "--json" in task:
                assert ran.json["error"]["exit"] == 5
        assert filled.invoke("status-all").code == 0
    finally:
        (filled.folder / "go").touch()
        out, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    assert json.loads(out)["outcome"] == "released"
