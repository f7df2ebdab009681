"""Which revisions are linted, by which rules, and what of the findings is meant."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_ops.backups.sidecar import Sidecar, write_sidecar
from migrations_ops.backups.store import BackupStore
from migrations_ops.model.errors import ConfigurationError, Refused
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.lint import LintReport
from migrations_ops.model.measured_plan import (
    Blocked,
    MeasuredPlan,
    MeasuredRevision,
    MeasuredStatement,
    StatementLock,
)
from migrations_ops.operations.lint import (
    LintOptions,
    filled_in,
    lint_environment,
    require_known,
)
from migrations_ops.project.project import Project
from migrations_ops.revisions.loader import digest

PROD = '[tool.migrations_ops.environments.prod]\nurl = "postgresql://u:p@nowhere/shop"\n'
SQLITE = '[tool.migrations_ops.environments.prod]\nurl = "sqlite:///prod.db"\n'
TABLE = "op.create_table('t', sa.Column('a', sa.Integer))"
INDEX = "op.create_index('i', 't', ['a'])"
CODE = "index-blocks-writes"


class Shop:
    """A project of two revisions: the first makes a table, the second builds an index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "versions").mkdir()
        (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
        (folder / "env.py").touch()
        self.write("a", None, TABLE)
        self.write("b", "a", INDEX)
        self.configure(PROD)

    def configure(self, text: str) -> None:
        (self.folder / "pyproject.toml").write_text(text)

    def write(self, name: str, down: str | None, body: str) -> None:
        (self.folder / f"versions/{name}.py").write_text(
            f"revision = {name!r}\ndown_revision = {down!r}\n\n\ndef upgrade():\n    {body}\n"
        )

    @property
    def project(self) -> Project:
        return Project.read(self.folder)

    def source(self, name: str) -> str:
        """The digest of a revision as it is now."""
        project = self.project
        return digest(project.history(project.settings.last).revisions[name])

    def plan(self, seconds: float = 9.0) -> MeasuredPlan:
        """A plan of the second revision, which kept others from writing for so long."""
        return MeasuredPlan(
            environment="prod",
            database="shop",
            from_=("a",),
            to=("b",),
            backup_size=0,
            copied_in=0.0,
            schema={},
            revisions=(MeasuredRevision("b", "", "b.py", self.source("b"), 1.0, (), ()),),
            blocked=(Blocked("public.t", 0.0, seconds),),
            findings=(),
        )

    def lint(self, **options: object) -> LintReport:
        options = {"plan": self.plan()} | options
        project = self.project
        return lint_environment(project, project.settings.last, LintOptions(**options))  # type: ignore[arg-type]

    def found(self, **options: object) -> list[tuple[str, str, int]]:
        return [(each.code, each.severity, each.line) for each in self.lint(**options).findings]

    def back_up(self, rows: int) -> None:
        """Pretend that the newest backup of prod has a table with so many rows."""
        project = self.project
        store = BackupStore.of(project.settings, project.settings.last)
        name = "db_20260101_000000.sqlite3"
        store.file(name).parent.mkdir(parents=True)
        store.file(name).touch()
        fingerprint = Fingerprint(("a",), {}, {"t": rows}, {})
        write_sidecar(
            store.sidecar(name),
            Sidecar(name, "prod", "2026-01-01T00:00:00.000Z", 0, "0", fingerprint),
        )


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_plan_is_linted_by_what_it_measured_without_a_database(shop: Shop) -> None:
    report = shop.lint()
    assert (report.engine, report.revisions, report.severity_by) == (
        "postgresql", ["b"], "measured",
    )  # fmt: skip
    [found] = report.findings
    assert (found.code, found.severity, found.file, found.line, found.finding.revision) == (
        CODE, "error", "versions/b.py", 6, "b",
    )  # fmt: skip
    assert found.message.endswith("(measured: 9.00 s)")
    assert not report.passed
    assert shop.lint(plan=shop.plan(seconds=0.1)).passed


def test_what_was_measured_and_no_rule_has_foreseen_is_a_finding(shop: Shop) -> None:
    statement = MeasuredStatement("X", 1, 2.0, None, (StatementLock("u", "AccessExclusive", 2.0),))
    plan = shop.plan()
    [revision] = plan.revisions
    plan = replace(
        plan,
        revisions=(replace(revision, statements=(statement,)),),
        blocked=(Blocked("public.t", 0.0, 9.0), Blocked("u", 2.0, 2.0), Blocked("v", 0.0, 0.4)),
    )
    assert shop.found(plan=plan) == [(CODE, "error", 6), ("others-blocked", "error", 1)]
    found = shop.lint(plan=plan).findings[1]
    assert found.message == "in the rehearsal of b, nobody could read or write u for 2.00 s"
    shop.write("b", "a", f"{INDEX}  # migrations-ops: allow others-blocked:u -- at night")
    plan = replace(plan, revisions=(replace(plan.revisions[0], source=shop.source("b")),))
    assert shop.found(plan=plan)[1] == ("others-blocked", "note", 1)


def test_what_was_edited_since_was_not_measured(shop: Shop) -> None:
    plan = shop.plan()
    shop.write("b", "a", f"{INDEX}\n    op.drop_index('j')")
    report = shop.lint(plan=plan)
    assert (report.severity_by, report.findings[0].severity) == ("nothing", "warning")


@pytest.mark.parametrize(
    ("rows", "severity"), [(10, "note"), (10_000, "warning"), (1_000_000, "error")]
)
def test_without_a_measurement_the_rows_of_the_newest_backup_count(
    shop: Shop, rows: int, severity: str
) -> None:
    plan = shop.plan()
    shop.write("b", "a", f"{INDEX}\n    op.drop_index('j')")
    shop.back_up(rows)
    assert shop.found(plan=plan) == [(CODE, severity, 6)]
    assert shop.lint(plan=plan).severity_by == "rows"


def test_an_empty_table_is_no_finding(shop: Shop) -> None:
    shop.back_up(0)
    assert shop.found() == []


def test_the_thresholds_are_configured(shop: Shop) -> None:
    shop.configure(f"{PROD}\n[tool.migrations_ops.lint_thresholds]\nwrites_error = 10\n")
    assert shop.found() == [(CODE, "warning", 6)]


def test_an_old_history_is_passed_over(shop: Shop) -> None:
    shop.configure(f'[tool.migrations_ops]\nlint_after = "b"\n{PROD}')
    assert shop.lint().revisions == []
    shop.configure(f'[tool.migrations_ops]\nlint_after = "a"\n{PROD}')
    assert shop.lint().revisions == ["b"]


def test_what_is_pending_is_asked_of_the_database(shop: Shop) -> None:
    shop.configure(SQLITE)
    assert shop.lint(plan=None, engine="postgresql").revisions == ["a", "b"]
    with closing(sqlite3.connect(shop.folder / "prod.db")) as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('a')")
        database.commit()
    report = shop.lint(plan=None)
    assert (report.engine, report.revisions) == ("sqlite", ["b"])
    with closing(sqlite3.connect(shop.folder / "prod.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'z'")
        database.commit()
    with pytest.raises(Refused, match="cannot be linted"):
        shop.lint(plan=None)


def test_the_engine_may_be_named(shop: Shop) -> None:
    assert shop.lint(engine="mariadb").engine == "mariadb"
    with pytest.raises(ConfigurationError, match="no engine 'oracle'"):
        shop.lint(engine="oracle")
    shop.configure(PROD.replace('"postgresql://u:p@nowhere/shop"', '{ variable = "NOT_HERE" }'))
    with pytest.raises(ConfigurationError, match="not known on this machine"):
        shop.lint()
    dev = '[tool.migrations_ops.environments.dev]\nurl = "sqlite:///dev.db"\n'
    shop.configure(dev + PROD.replace('"postgresql://u:p@nowhere/shop"', '{ variable = "NO" }'))
    with pytest.raises(ConfigurationError, match="not known on this machine"):
        shop.lint()
    shop.configure(PROD.replace("postgresql://", "mysql+pymysql://"))
    assert shop.lint().engine == "mariadb"


def test_a_comment_allows_a_finding_of_its_revision(shop: Shop) -> None:
    shop.write("b", "a", f"{INDEX}  # migrations-ops: allow {CODE}:i -- t is small")
    report = shop.lint()
    assert [(each.code, each.severity) for each in report.findings] == [(CODE, "note")]
    assert report.findings[0].message.endswith("(allowed in versions/b.py:6 -- t is small)")
    assert report.passed


def test_the_advice_has_the_comment_that_allows_the_finding(shop: Shop) -> None:
    shop.write("b", "a", "op.drop_table('t')")
    [found] = shop.lint(plan=shop.plan(seconds=0)).findings
    assert found.advice.endswith("allow it: # migrations-ops: allow dropped-table:t -- REASON")


def test_the_braces_of_an_advice_that_are_no_value_stay() -> None:
    assert filled_in("put {'a': {b}} for {where}", where="{t}") == "put {'a': {b}} for {t}"


@pytest.mark.parametrize(
    ("comment", "code", "severity"),
    [
        (f"allow {CODE}:j -- another", "unused-allow", "note"),
        (f"allow {CODE}", "bad-allow", "error"),
        ("allow no-such-code -- why", "bad-allow", "error"),
    ],
)
def test_a_comment_that_allows_nothing_is_found(
    shop: Shop, comment: str, code: str, severity: str
) -> None:
    shop.write("b", "a", f"pass  # migrations-ops: {comment}")
    assert shop.found(plan=shop.plan(seconds=0)) == [(code, severity, 6)]


def test_a_comment_for_the_rehearsal_is_none_of_lint(shop: Shop) -> None:
    shop.write("b", "a", "pass  # migrations-ops: allow lost-index:x -- why")
    assert shop.found(plan=shop.plan(seconds=0)) == []


def test_the_configuration_and_the_flag_allow_as_well(shop: Shop) -> None:
    assert shop.found(allow=(f"{CODE}:i",)) == [(CODE, "note", 6)]
    assert shop.found(allow=(f"{CODE}:j",)) == [(CODE, "error", 6)]
    shop.configure(f'{PROD}allow = ["{CODE}"]\n')
    assert shop.found() == [(CODE, "note", 6)]
    require_known([CODE, "lost-index:x"])
    with pytest.raises(ConfigurationError, match="there is no code 'index-blocks'"):
        require_known(["index-blocks"])
