"""A measured plan shows in its first lines whether it is safe, and no name breaks its form."""

from __future__ import annotations

import io
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.cli.output.plan.markdown import as_markdown
from migrations_ops.cli.output.plan.page import as_html
from migrations_ops.cli.output.plan.text import as_text
from migrations_ops.cli.output.plan.words import BEGINS
from migrations_ops.cli.output.style import Style, width
from migrations_ops.model.findings import Finding
from migrations_ops.model.measured_plan import (
    Blocked,
    Destroyed,
    MeasuredPlan,
    MeasuredRevision,
    MeasuredStatement,
    StatementLock,
)
from migrations_ops.model.outcome import ErrorReport
from migrations_ops.model.text import duration

WRITE = MeasuredStatement("UPDATE t\n  SET a = ?", 1200, 0.5, 1200)
READ = MeasuredStatement("SELECT 1", 3, 0.001, None)
REVISION = MeasuredRevision("b", "second", "v/b.py", "0", 0.6, (READ, WRITE), ("t",))
PLAN = MeasuredPlan(
    environment="prod",
    database="db",
    from_=("a",),
    to=("b",),
    backup="db_1",
    backup_size=2_000_000,
    copied_in=0.25,
    schema={},
    revisions=(REVISION,),
    blocked=(Blocked("", None, 0.05),),
    destroyed=(),
    down_and_up=True,
    findings=(),
)
PLAIN = Style(io.TextIOWrapper(io.BytesIO(), "utf-8"))
ERROR = ErrorReport(1, "The rehearsal failed.", "prod was not touched.", "Fix it.")


def lines(plan: MeasuredPlan) -> list[str]:
    return as_text(plan, PLAIN)


def wrapped_lines(plan: MeasuredPlan) -> list[str]:
    """The lines as they were before they were wrapped."""
    found: list[str] = []
    for line in lines(plan):
        if line.startswith("  ") and found[-1][:1] in ("✓", "⚠", "✗"):
            found[-1] += line[1:]
        else:
            found.append(line)
    return found


def test_a_plan_begins_with_whether_it_is_safe() -> None:
    assert lines(PLAN) == [
        "Plan of prod: 1 revision, from a to b",
        "",
        "✓ Nobody else can write for 50 ms, nor read while it commits.",
        "✓ Nothing is destroyed.",
        "✓ Down and up again went well.",
        "✓ Disk: 2.0 MB for the backup; a restore takes about 250 ms.",
        "",
        "b second (600 ms, 1203 statements)",
        "  v/b.py",
        "    500 ms  1,200 rows   1,200 times: UPDATE t SET a = ?",
        "  and 3 reads and version updates (1 ms)",
        "  rewrites the whole table t",
    ]


@pytest.mark.parametrize(
    ("blocked", "line"),
    [
        ((Blocked("", None, 2.5),),
         "⚠ Nobody else can write for 2.50 s, nor read while it commits."),
        ((Blocked("", 0.0, 2.5),), "⚠ Nobody else can write for 2.50 s; reads go on."),
        ((), "✓ No table is blocked."),
        ((Blocked("s.t", 0.02, 0.02), Blocked("s.u", 0.0, 0.01)),
         "✓ Blocked: reads and writes of s.t for 20 ms, writes of s.u for 10 ms."),
        (tuple(Blocked(f"t{number}", 1.0, 1.0) for number in range(7)),
         "⚠ Blocked: " + ", ".join(f"reads and writes of t{n} for 1.00 s" for n in range(5))
         + ", and 2 more."),
        ((Blocked("s.t", 0.0, 0.3),), "✓ Blocked: writes of s.t for 300 ms."),
        ((Blocked("s.t", 0.2, 0.2),), "⚠ Blocked: reads and writes of s.t for 200 ms."),
    ],
)  # fmt: skip
def test_who_has_to_wait_comes_first(blocked: tuple[Blocked, ...], line: str) -> None:
    assert wrapped_lines(replace(PLAN, blocked=blocked))[2] == line


def test_what_is_destroyed_is_named_with_its_number_of_rows() -> None:
    table, column = Destroyed("table", "u", 1), Destroyed("column", "t.a", 12)
    gone = (table, column, Destroyed("rows", "t", 3000))
    assert lines(replace(PLAN, destroyed=gone))[3] == (
        "⚠ Destroyed: table u (1 row), column t.a (12 values), 3,000 rows of t."
    )


def test_what_needs_consent_to_be_destroyed_says_whether_it_has_it() -> None:
    stops = Destroyed("table", "u", 1, stops=True)
    allowed = Destroyed("column", "t.a", 12, allowed="allowed in r2.py:7 -- they were split")
    shown = lines(replace(PLAN, destroyed=(allowed, Destroyed("rows", "t", 3), stops)))
    assert shown[3:6] == [
        "⚠ Destroyed: 3 rows of t.",
        "⚠ Destroyed: column t.a (12 values); allowed in r2.py:7 -- they were split.",
        "⚠ Destroyed: table u (1 row); not allowed: the release would stop.",
    ]


def test_a_plan_that_would_be_stopped_says_so_before_all_else() -> None:
    failed = replace(REVISION, seconds=None, statements=(replace(WRITE, times=0, rows=None),))
    plan = replace(PLAN, error=ERROR, blocked=None, destroyed=None, revisions=(failed,))
    shown = lines(plan)
    assert shown[2] == "✗ The release would stop: The rehearsal failed."
    assert "locked" not in shown[3]
    assert "b second (failed)" in shown
    assert "    500 ms               FAILED UPDATE t SET a = ?" in shown
    assert "- **The release would stop: The rehearsal failed.**" in as_markdown(plan)


def test_statements_that_are_not_seen_are_not_taken_for_none() -> None:
    plan = replace(PLAN, blocked=None, unmeasured="the project runs commands of its own")
    assert lines(plan)[2] == ("⚠ No statement was measured: the project runs commands of its own.")


def test_where_nothing_is_pending_that_is_all() -> None:
    # Where it is, and not the target: with --to a revision that it has passed, that is another one.
    plan = replace(PLAN, revisions=())
    assert as_text(plan, PLAIN) == ["Nothing is pending for prod: it is at a."]
    assert as_markdown(plan) == ["Nothing is pending for prod: it is at a."]
    assert as_text(replace(plan, from_=(), to=()), PLAIN) == [
        "Nothing is pending for prod: it is at base."
    ]


def test_no_sentence_is_wider_than_a_terminal() -> None:
    gone = tuple(Destroyed("table", f"a_table_with_a_long_name_{number}", 1) for number in range(9))
    shown = lines(replace(PLAN, destroyed=gone, error=replace(ERROR, what="It failed. " * 20)))
    assert all(width(line) <= 80 for line in shown)
    assert sum(line.startswith("  ") for line in shown) > 5


def test_of_many_revisions_those_that_nobody_notices_are_a_line_each() -> None:
    quick = [replace(REVISION, revision=f"q{n}", seconds=0.01, rewritten=()) for n in range(20)]
    shown = lines(replace(PLAN, revisions=(*quick[:10], REVISION, *quick[10:])))
    assert len(shown) < 50
    assert "q3 second (10 ms, 1203 statements)" in shown
    assert shown.count("    500 ms  1,200 rows   1,200 times: UPDATE t SET a = ?") == 1
    assert "rewrites the whole table t" in "\n".join(shown)


def test_what_did_not_run_is_counted() -> None:
    failed = replace(REVISION, seconds=None)
    later = [replace(REVISION, revision=f"q{n}", seconds=None, statements=()) for n in range(3)]
    shown = lines(replace(PLAN, error=ERROR, revisions=(failed, *later)))
    assert shown[-1] == "3 more revisions did not run."
    assert not [line for line in shown if line.startswith("q")]


def test_a_plan_without_a_rehearsal_says_what_it_cannot_know() -> None:
    bare = replace(REVISION, seconds=None, statements=(), rewritten=())
    plan = replace(PLAN, backup="", blocked=None, destroyed=None, down_and_up=None)
    shown = lines(replace(plan, revisions=(bare,), rehearsed=False))
    assert shown[2].startswith("⚠ Nothing was rehearsed: how long it takes, what it locks")
    assert shown[3:] == ["  is not known.", "", "b second", "  v/b.py"]


def test_the_way_back_is_part_of_the_plan() -> None:
    assert "✓ The way back is the backup: down and up again was not tried." in lines(
        replace(PLAN, down_and_up=None)
    )
    assert "⚠ Down and up again did not go well." in lines(replace(PLAN, down_and_up=False))
    assert "✓ Disk: 2.0 MB for the backup, 5.0 MB more for the upgrade; a restore takes" in lines(
        replace(PLAN, room=5_000_000)
    )


def test_a_lock_stands_below_the_statement_that_took_it() -> None:
    lock = StatementLock("s.t", "ShareRowExclusiveLock", 1.5)
    harmless = StatementLock("s.u", "RowExclusiveLock", 1.5)
    statement = replace(WRITE, locks=(lock, harmless), values="a = 'x'")
    plan = replace(PLAN, revisions=(replace(REVISION, statements=(statement,)),))
    shown = lines(plan)
    at = shown.index("    500 ms  1,200 rows   1,200 times: UPDATE t SET a = ?")
    assert shown[at + 1] == "            SHARE ROW EXCLUSIVE lock on s.t for 1.50 s"
    assert shown[at + 2] == "            values: a = 'x'"
    for form in (as_markdown(plan), as_html([plan])):
        assert "SHARE ROW EXCLUSIVE lock on s.t for 1.50 s" in "\n".join(form)
        assert "s.u" not in "\n".join(form)


def test_what_mariadb_alters_in_place_is_named_where_that_took_its_time() -> None:
    slow = replace(WRITE, locks=(StatementLock("t", "SHARED_UPGRADABLE", 2.0),))
    quick = replace(WRITE, locks=(StatementLock("u", "SHARED_UPGRADABLE", 0.02),))
    plan = replace(PLAN, revisions=(replace(REVISION, statements=(slow, quick)),))
    assert wrapped_lines(plan)[3] == (
        "✓ Altered in place: t in 2.00 s; MariaDB does not say how long it locks at the end."
    )


def test_only_alembics_own_statement_about_the_version_is_left_out() -> None:
    own = replace(WRITE, times=1, seconds=0.001, rows=1,
                  sql="UPDATE v SET version_num='b' WHERE v.version_num = 'a'")  # fmt: skip
    theirs = replace(own, sql="UPDATE documents SET version_num = version_num + 1")
    shown = lines(replace(PLAN, revisions=(replace(REVISION, statements=(own, theirs)),)))
    assert not [line for line in shown if "UPDATE v" in line]
    assert [line for line in shown if "UPDATE documents" in line]


def test_findings_are_part_of_the_plan() -> None:
    found = Finding("dropped-table", "warning", "the table `u` is dropped", "u")
    plan = replace(PLAN, findings=(found,))
    assert "⚠ the table `u` is dropped [dropped-table]" in lines(plan)
    assert "- **warning** `dropped-table`: the table \\`u\\` is dropped" in as_markdown(plan)


@given(st.text(min_size=1, max_size=300))
def test_no_line_of_a_statement_is_wider_than_a_terminal(sql: str) -> None:
    statement = replace(WRITE, sql=f"UPDATE {sql}")
    shown = lines(replace(PLAN, revisions=(replace(REVISION, statements=(statement,)),)))
    assert all(width(line) <= 80 for line in shown)


@given(st.text(alphabet="`|\\<>[]()!@#*_~a\n ", min_size=1))
def test_no_statement_leaves_its_cell_of_a_table(sql: str) -> None:
    statement = replace(WRITE, sql=f"UPDATE {sql}")
    shown = as_markdown(replace(PLAN, revisions=(replace(REVISION, statements=(statement,)),)))
    [row] = [line for line in shown if line.startswith("| 500 ms ")]
    assert row.replace("\\|", "").count("|") == 5
    assert row.endswith("` |")


@given(st.text(alphabet="`|\\<>[]()!@#*_~a", min_size=1))
def test_no_name_is_read_as_markdown(name: str) -> None:
    shown = as_markdown(replace(PLAN, destroyed=(Destroyed("table", name, 1),)))
    assert name in "\n".join(shown).replace("\\\\", "\0").replace("\\", "").replace("\0", "\\")
    line = next(each for each in shown if each.startswith("- Destroyed"))
    bare = line.replace("\\\\", "").replace("\\`", "").replace("\\<", "").replace("\\@", "")
    assert not {"`", "<", "@"} & set(bare)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 ms"), (0.0001, "<1 ms"), (0.0126, "13 ms"), (0.9996, "1.00 s"), (59.99, "59.99 s"),
     (185, "3 min 05 s")],
)  # fmt: skip
def test_durations_are_as_people_say_them(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


# -- HTML ---------------------------------------------------------------------------------------


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, plan: MeasuredPlan) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed("\n".join(as_html([plan])))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def named(name: str) -> MeasuredPlan:
    """A plan with a name wherever there is one."""
    statement = replace(WRITE, sql=f"UPDATE {name}")
    revision = MeasuredRevision(name, name, name, "0", 0.6, (statement,), (name,))
    found = Finding("dropped-table", "warning", name, name)
    return replace(
        PLAN,
        environment=name,
        revisions=(revision,),
        destroyed=(Destroyed("table", name, 1),),
        findings=(found,),
        error=replace(ERROR, what=name),
    )


@given(st.text(alphabet="<>\"'&;/=! scriptonload-", min_size=1))
def test_no_name_is_read_as_html(name: str) -> None:
    plain, hostile = Page(named("x")), Page(named(name))
    assert (hostile.tags, hostile.attributes) == (plain.tags, plain.attributes)
    assert name in hostile.text
    assert not {"script", "link", "img", "iframe"} & {*hostile.tags}
    assert "src" not in hostile.attributes


def test_no_name_turns_the_text_of_a_page_around() -> None:
    hostile = "\u202e\u2066evil"
    assert not {"\u202e", "\u2066"} & set("".join(as_html([named(hostile)])))


def test_a_page_shows_what_the_terminal_shows() -> None:
    page = Page(PLAN)
    for line in lines(PLAN)[2:6]:
        assert line.removeprefix("✓ ") in page.text
    assert "UPDATE t SET a = ?" in page.text
    assert Page(replace(PLAN, revisions=())).text.count("Nothing is pending for prod") == 2


def test_a_file_is_known_as_a_plan_by_how_it_begins() -> None:
    for plan in (PLAN, replace(PLAN, revisions=())):
        for shown in (lines(plan), as_markdown(plan), as_html([plan])):
            assert BEGINS.match("\n".join(shown))


@pytest.mark.parametrize(
    "notes",
    ["Plan of the week: 3 things\n", "### Plan of attack\n", "Nothing is pending for me.\n"],
)
def test_notes_of_somebody_are_no_plan(notes: str) -> None:
    assert not BEGINS.match(notes)
