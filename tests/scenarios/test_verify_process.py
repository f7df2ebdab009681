"""Verify runs in a process of its own, in which nothing is left of the upgrade."""

from __future__ import annotations

import pytest

from tests.contract.child.steps import USUAL, write_env
from tests.support import R3, Sandbox, query

R4 = "r4dddddddddd"

# env.py whose models have a column that the revision takes away. A revision can hide that from
# whatever runs in its process afterwards.
_ENV = """
sys.path.insert(0, str(Path(__file__).parent))
import models
with open("processes.txt", "a") as file_of_processes:
    command = context.config.cmd_opts.cmd[0].__name__
    print(os.environ["EXEC_ENV"], command, os.getpid(), file=file_of_processes)
if "note" in models.GONE or "HIDDEN" in os.environ:
    target_metadata.remove(target_metadata.tables["parents"])
    Table("parents", target_metadata, Column("id", Integer, primary_key=True),
          Column("name", Text, nullable=False))
"""
_LEFT_BEHIND = {
    "variable": '    import os\n    os.environ["HIDDEN"] = "1"\n',
    "module": '    import models\n    models.GONE.append("note")\n',
    "patch": "    from alembic.operations.ops import UpgradeOps\n"
    "    UpgradeOps.as_diffs = lambda self: []\n",
    "listener": """\
    def hide(table, metadata):
        if table.name == "parents":
            table._columns.remove(table.c.note)
    sa.event.listen(sa.Table, "after_parent_attach", hide)
""",
}


def drop_note(shop: Sandbox, left_behind: str) -> None:
    """A revision that drops a column of the models, and leaves something in its process."""
    write_env(shop, _ENV + USUAL)
    shop.write("alembic/models.py", "GONE = []\n")
    shop.add_revision(R4, R3, f'{left_behind}    op.drop_column("parents", "note")\n')


def processes(shop: Sandbox) -> list[tuple[str, str, str]]:
    """The environment, the Alembic command and the process id of each run of env.py."""
    lines = (shop.folder / "processes.txt").read_text("utf-8").splitlines()
    return [(name, command, pid) for name, command, pid in (line.split() for line in lines)]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(each, marks=() if each == "patch" else pytest.mark.slow)
        for each in _LEFT_BEHIND
    ],
)
def test_what_an_upgrade_leaves_in_its_process_hides_no_drift(filled: Sandbox, kind: str) -> None:
    drop_note(filled, _LEFT_BEHIND[kind])
    ran = filled.invoke("upgrade-dev", "--json")
    assert ran.code == 0, ran.err
    assert query(filled.dev, "SELECT version_num FROM alembic_version") == [(R4,)]
    drift = [each["where"] for each in ran.json["findings"] if each["code"] == "drift"]
    assert drift == ["add_column parents.note"]


def test_upgrade_and_verify_are_two_processes_and_the_rehearsal_is_one(filled: Sandbox) -> None:
    write_env(filled, _ENV + USUAL)
    filled.write("alembic/models.py", "GONE = []\n")
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    runs = processes(filled)
    assert [(name, command) for name, command, _ in runs] == [
        ("dev", "upgrade"), ("dev", "check"),
        ("prod", "upgrade"), ("prod", "check"), ("prod", "downgrade"), ("prod", "upgrade"),
        ("prod", "upgrade"), ("prod", "check"),
    ]  # fmt: skip
    pids = [pid for *_, pid in runs]
    assert len(set(pids[2:6])) == 1, "the rehearsal of prod is one process"
    assert len(set(pids)) == 5
    argv = {(each["name"], each["environment"]): each["argv"] for each in ran.json["steps"]}
    for name in ("dev", "prod"):
        assert argv["upgrade", name][-2:-1] == ["upgrade"]
        assert argv["verify", name][-1:] == ["check"]
        assert not {"upgrade", "--then"} & set(argv["verify", name])
        assert "check" not in argv["upgrade", name]
