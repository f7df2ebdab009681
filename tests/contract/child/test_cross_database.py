"""On MariaDB a statement can name any database of the server: only the own one is reached."""

from __future__ import annotations

from tests.contract.child.engines import HALF_DONE, MARIADB, ROWS, cases, on
from tests.contract.child.project import R1, R2, ChildProject


@on("mariadb")
def test_env_that_uses_another_database_than_it_opened_is_refused(project: ChildProject) -> None:
    other = project.beside()
    project.write_env(
        f"""
engine = create_engine(url)
@event.listens_for(engine, "connect")
def use(driver, record):
    driver.cursor().execute("USE {other.database.name}")
with engine.connect() as connection:
    migrate(connection)
"""
    )
    project.add_revision(R2, R1, HALF_DONE)
    before = other.everything()
    assert project.run().refused
    assert other.everything() == before


@on(*MARIADB.drivers)
def test_statement_that_names_another_environment_is_not_executed_under_any_driver(
    project: ChildProject,
) -> None:
    other = project.beside()
    before = project.everything()
    name = other.database.name
    adds = f"    op.add_column('shops', sa.Column('x', sa.Integer), schema='{name}')"
    project.add_revision(R2, R1, ROWS + adds)
    ran = project.run(others={"prod": other.identity}, ledger_entry={})
    assert ran.failure.startswith(
        f"a statement names the database of prod, {name}, though dev is meant: it was not"
        " executed; leave out the name of the database"
    )
    assert f"{R2}.py:" in ran.run.where
    assert not ran.committed
    assert project.everything() == other.everything() == before


# Ways that lead out of a database by its name, past SQLAlchemy as well.
OUT = {
    "statement": 'op.execute("DELETE FROM {other}.shops")',
    "quoted": 'op.execute("DELETE FROM `{other}` . `shops`")',
    "cursor of the driver": (
        'op.get_bind().connection.cursor().execute("DELETE FROM {other}.shops")'
    ),
    "use": 'op.execute("USE {other}"); op.execute("DELETE FROM shops")',
    "chosen by the driver": 'op.get_bind().connection.driver_connection.select_db("{other}")',
    "second connection": (
        'op.get_bind().engine.connect().exec_driver_sql("DELETE FROM {other}.shops")'
    ),
    "built by the server": "op.execute(\"EXECUTE IMMEDIATE 'DELETE FROM {other}.shops'\")",
}


@cases("code", {"mariadb": OUT})
def test_rehearsal_does_not_come_to_the_real_database_by_its_name(
    project: ChildProject, code: str
) -> None:
    before = project.everything()
    project.add_revision(R2, R1, f"    {code.format(other=project.database.name)}")
    ran = project.rehearse(project.beside())
    assert f"the real database, {project.database.name}, though this is the" in ran.failure
    assert project.everything() == before


@on("mariadb")
def test_own_name_may_be_used_where_it_leads_nowhere_else(project: ChildProject) -> None:
    other = project.beside()
    name = other.database.name
    project.database.execute(f"CREATE TABLE {name} (n int)")
    project.add_revision(
        R2,
        R1,
        f"    op.execute('UPDATE {name} SET {name}.n = 1')\n"
        f"    op.execute('UPDATE {project.database.name}.shops SET id = 9 WHERE id = 3')",
    )
    assert project.run(others={"prod": other.identity}).failure == ""
    assert other.database.execute("SELECT MAX(id) FROM shops") == [(3,)]
