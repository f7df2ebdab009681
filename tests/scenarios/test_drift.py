"""What is changed by hand after a release is named, until it is accepted."""

from __future__ import annotations

from tests.scenarios.test_json_schemas import validate
from tests.support import R2, Sandbox, query


def test_what_is_changed_by_hand_is_named_until_it_is_accepted(filled: Sandbox) -> None:
    unknown = filled.invoke("drift")
    assert unknown.code == 1
    assert "no release has recorded its schema" in unknown.err
    assert filled.invoke("release-migration", "verify", "--env", "prod", "drift").code == 0
    query(filled.prod, "CREATE TRIGGER no_gaps AFTER DELETE ON parents BEGIN SELECT 1; END")
    query(filled.prod, "ALTER TABLE children ADD COLUMN remark TEXT")
    found = filled.invoke("drift", "--json")
    assert found.code == 1
    validate(found.json, "drift")
    [report] = found.json["drift"]
    assert [(each["kind"], each["name"], each["fate"]) for each in report["changed"]] == [
        ("column", "children.remark", "made"),
        ("trigger", "no_gaps", "made"),
    ]
    verified = filled.invoke("verify", "--env", "prod", "--json")
    codes = [each["code"] for each in verified.json["findings"]]
    assert (verified.code, codes[:2]) == (0, ["drift-column", "drift-trigger"])
    status = filled.invoke("status-all", "--drift", "--check", "--json")
    assert (status.code, status.json["drift"][1]) == (1, report)
    validate(status.json, "status")
    accepted = filled.invoke("drift", "--accept", "status", "--drift", "--check")
    assert accepted.code == 0, accepted.err
    assert "accepted" in accepted.out
    # At another revision nothing is known, and nothing is called in order.
    assert filled.invoke("downgrade", "--env", "prod", "--to", R2, "--yes").code == 0
    assert filled.invoke("drift").code == 1
