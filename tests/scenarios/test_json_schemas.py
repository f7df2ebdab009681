"""Each ``--json`` document is what its schema in docs/schemas says, in refusals too."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from filelock import FileLock
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from migrations_ops.cli.output.progress import Lines
from migrations_ops.journal.recorder import Recorder
from migrations_ops.model.errors import ExitCode
from migrations_ops.model.findings import Severity
from migrations_ops.model.outcome import Outcome
from migrations_ops.model.plan import StepName
from migrations_ops.model.status import State
from migrations_ops.system.reading import read_json
from tests.documents import flags_of_tasks
from tests.support import R1, R2, R3, REPOSITORY, Sandbox, query

SCHEMAS = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in (REPOSITORY / "docs/schemas").glob("*.json")
}
REGISTRY: Registry[Any] = Registry().with_resources(
    (f"{name}.json", DRAFT202012.create_resource(schema)) for name, schema in SCHEMAS.items()
)
SCHEMA_OF = {
    "plan": "measured-plan",
    "lint": "lint",
    "release-migration": "release",
    "upgrade-dev": "release",
    "upgrade-prod": "release",
    "downgrade": "release",
    "stamp": "release",
    "adopt": "release",
    "resolve": "release",
    "restore": "release",
    "verify": "verify",
    "status": "status",
    "status-all": "status",
    "drift": "drift",
    "wait": "status",
    "current": "current",
    "history": "history",
    "heads": "history",
    "db-version": "db-version",
    "releases": "releases",
    "revision": "revision",
    "backups": "backups",
    "backup": "release",
    "prune": "prune",
    "doctor": "doctor",
    "init": "init",
}
# Documents that a flag asks for, and those that are parts of others.
BY_FLAG = {"plan", "measured-plans", "sql", "error", "common"}


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(SCHEMAS[name], registry=REGISTRY)


def validate(document: Any, name: str) -> None:
    validator(name).validate(document)


def documents(text: str) -> Iterator[Any]:
    """The documents of several tasks of one chain, one after the other."""
    decoder, position = json.JSONDecoder(), 0
    while text[position:].strip():
        document, end = decoder.raw_decode(text[position:].lstrip())
        position += len(text[position:]) - len(text[position:].lstrip()) + end
        yield document


def check_chain(sandbox: Sandbox, *tasks: tuple[str, str]) -> list[Any]:
    """Run tasks as one chain, in one process, and hold each document against its schema."""
    ran = sandbox.invoke(*(word for task, _ in tasks for word in [*task.split(), "--json"]))
    assert ran.code == 0, ran.err
    found = list(documents(ran.out))
    assert len(found) == len(tasks)
    for document, (_, schema) in zip(found, tasks, strict=True):
        validate(document, schema)
    return found


def test_each_task_with_a_json_flag_has_a_schema() -> None:
    with_flag = {
        name
        for name, flags in flags_of_tasks().items()
        if any(flag.name == "json" for flag in flags)
    }
    assert with_flag == SCHEMA_OF.keys()
    assert set(SCHEMA_OF.values()) | BY_FLAG == SCHEMAS.keys()


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_valid_and_lets_no_unknown_key_through(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])

    def objects(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            if node.get("type") == "object":
                yield node
            for part in node.values():
                yield from objects(part)
        elif isinstance(node, list):
            for part in node:
                yield from objects(part)

    for node in objects(SCHEMAS[name]):
        assert "additionalProperties" in node
        assert node["additionalProperties"] is False or "properties" not in node


def test_enumerations_of_the_schemas_are_those_of_the_program() -> None:
    shared = SCHEMAS["common"]["$defs"]
    assert shared["state"]["enum"] == list(get_args(State))
    assert shared["severity"]["enum"] == list(get_args(Severity))
    outcomes = SCHEMAS["release"]["properties"]["outcome"]["enum"]
    assert outcomes == [*get_args(Outcome), None]
    codes = shared["error"]["properties"]["exit"]["enum"]
    assert codes == [int(code) for code in ExitCode if code is not ExitCode.DONE]


def test_documents_of_tasks_that_look(filled: Sandbox) -> None:
    check_chain(
        filled,
        ("status", "status"),
        ("status-all", "status"),
        ("current", "current"),
        ("history", "history"),
        ("heads", "history"),
        ("db-version", "db-version"),
        ("backups", "backups"),
        ("releases", "releases"),
        ("doctor", "doctor"),
        ("release-migration --plan", "plan"),
    )


@pytest.mark.slow
def test_documents_of_tasks_that_change_a_database(filled: Sandbox) -> None:
    found = check_chain(
        filled,
        ("upgrade-dev", "release"),
        ("verify", "verify"),
        ("upgrade-prod", "release"),
        ("release-migration", "release"),
        ("revision --message more --rev-id r4dddddddddd", "revision"),
        ("upgrade-dev --sql", "sql"),
        (f"downgrade --env dev --to {R1}", "release"),
        ("restore --env dev --backup latest", "release"),
        (f"stamp --env dev --to {R3}", "release"),
        ("adopt --env dev", "release"),
        ("upgrade-dev", "release"),
        ("backup --env dev", "release"),
        ("prune", "prune"),
        ("backups", "backups"),
        ("releases", "releases"),
        ("upgrade-dev --sql", "sql"),
    )
    assert [found[2]["outcome"], found[3]["outcome"]] == ["released", "nothing to do"]
    assert [step["name"] for step in found[2]["steps"]] == [
        "preflight", "back up", "rehearse", "upgrade", "verify",
    ]  # fmt: skip
    assert found[4]["revision"] == "r4dddddddddd"
    assert [found[5]["from"], found[5]["to"]] == [[R3], ["r4dddddddddd"]]
    assert "UPDATE alembic_version" in found[5]["sql"]
    one = filled.invoke("releases", "--show", found[0]["id"], "--json").json
    validate(one, "release")
    assert {key: one[key] for key in found[0]} == found[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "task",
    [
        "release-migration",
        "upgrade-dev",
        "downgrade --env dev",
        "stamp --env dev",
        "adopt --env dev",
        "revision --message more",
        "backup --env dev",
    ],
)
def test_dry_run_is_a_plan_and_changes_nothing(filled: Sandbox, task: str) -> None:
    ran = filled.invoke("--dry", *task.split(), "--json")
    assert ran.code == 0, ran.err
    validate(ran.json, "plan")
    assert ran.json["environments"][0]["steps"]
    assert query(filled.dev, "SELECT version_num FROM alembic_version") == [(R2,)]
    assert len(list(filled.folder.glob("alembic/versions/*.py"))) == 3


@pytest.mark.slow
def test_dry_restore_names_the_backup(filled: Sandbox) -> None:
    filled.invoke("backup", "--env", "dev")
    query(filled.dev, "DELETE FROM children")
    ran = filled.invoke("--dry", "restore", "--env", "dev", "--backup", "latest", "--json")
    validate(ran.json, "plan")
    assert ran.json["environments"][0]["backup"].startswith("db.dev_")
    assert query(filled.dev, "SELECT count(*) FROM children") == [(0,)]


def break_toml(sandbox: Sandbox) -> None:
    sandbox.configure("[tool.migrations_ops\n")


def remove_ini(sandbox: Sandbox) -> None:
    (sandbox.folder / "alembic.ini").unlink()


def break_a_revision(sandbox: Sandbox) -> None:
    sandbox.add_revision("r4dddddddddd", R3, "    raise RuntimeError('not today')")


def add_a_trigger(sandbox: Sandbox) -> None:
    """The third revision rebuilds its table, which loses it in silence."""
    body = "BEGIN DELETE FROM children WHERE parent_id = old.id; END"
    query(sandbox.prod, f"CREATE TRIGGER gone AFTER DELETE ON parents {body}")


def add_a_head(sandbox: Sandbox) -> None:
    sandbox.add_revision("r3other00000", R2, "    pass")


def ruin_prod(sandbox: Sandbox) -> None:
    sandbox.prod.write_bytes(b"this is no database, whatever its name says" * 50)


def nothing(sandbox: Sandbox) -> None:
    pass


@pytest.mark.parametrize(
    ("trouble", "task", "code", "schema"),
    [
        (nothing, "status --env prdo", 2, "error"),
        (nothing, "verify", 1, "verify"),
        (nothing, "status-all --check", 1, "status"),
        (nothing, "upgrade-prod", 1, "release"),
        (break_toml, "release-migration", 2, "error"),
        (break_a_revision, "release-migration", 3, "release"),
        (ruin_prod, "status-all", 0, "status"),
        *(
            # Further ways to a document of the same shape.
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (nothing, "restore --env dev --backup other", 1, "error"),
                (nothing, "downgrade --env prod", 1, "error"),
                (nothing, "revision --message more", 1, "error"),
                (nothing, "releases --show other", 2, "error"),
                (nothing, "upgrade-dev --to other", 2, "release"),
                (break_toml, "status-all", 2, "error"),
                (remove_ini, "status-all", 2, "status"),
                (add_a_trigger, "release-migration", 1, "release"),
                (add_a_head, "release-migration", 1, "release"),
                (add_a_head, "upgrade-dev --sql", 1, "error"),
                (ruin_prod, "release-migration", 1, "release"),
                (ruin_prod, "current", 0, "current"),
                (ruin_prod, "db-version", 0, "db-version"),
                (ruin_prod, "history", 0, "history"),
                (ruin_prod, "doctor", 1, "doctor"),
            )
        ),
    ],
)
def test_trouble_is_one_document_too(
    filled: Sandbox, trouble: Callable[[Sandbox], None], task: str, code: int, schema: str
) -> None:
    trouble(filled)
    ran = filled.invoke(*task.split(), "--json")
    assert ran.code == code, ran.err
    validate(ran.json, schema)
    if schema in ("error", "release"):
        assert ran.json["error"]["exit"] == code
        assert ran.json["error"]["what"] in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.slow
def test_a_locked_database_is_one_document_too(filled: Sandbox) -> None:
    with FileLock(filled.dev.with_name(".db.dev.sqlite3.release-lock")):
        ran = filled.invoke("release-migration", "--json")
    assert ran.code == 5
    validate(ran.json, "release")
    assert ran.json["error"]["exit"] == 5


def test_a_record_under_way_fits_and_has_no_outcome(tmp_path: Path) -> None:
    record = Recorder(tmp_path, "release-migration", "prod", Lines(io.StringIO()))
    with record.step(StepName("back up"), "dev"):
        document = read_json(record.folder / "release.json")
    validate(document, "release")
    assert [document["outcome"], document["under_way"]["name"]] == [None, "back up"]
    with pytest.raises(ValidationError):
        validate(document | {"surprise": 1}, "release")
    del document["under_way"]
    with pytest.raises(ValidationError):
        validate(document, "release")
