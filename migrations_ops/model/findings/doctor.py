"""What doctor finds."""

from __future__ import annotations

from migrations_ops.model.findings.entry import MEND, Entry

SELECTOR_SET = Entry(
    "selector-set",
    "warning",
    "{where}={value} is set in this shell: {effect}. To clear it: unset {where}, in PowerShell"
    " Remove-Item Env:\\{where}",
)
VARIABLE_SET = Entry(
    "variable-set",
    "note",
    "{where} is set in this shell; tasks ignore it, a bare alembic may not",
)
UNUSABLE = Entry("unusable", "error", "{where}: {reason}", MEND)
UNUSABLE_STORE = UNUSABLE.also("error", "{reason}")
ELSEWHERE = Entry(
    "elsewhere",
    "error",
    "{where}: {reason}",
    "Configure how env.py gets its URL: variables, x, or ini_url = true.",
)
ENV_PY_FAILS = Entry(
    "env-py-fails", "error", "{environment}: {reason}", "Fix what fails there: {where}"
)
ENV_PY_NOT_TRIED = ENV_PY_FAILS.also(
    "note", "{where}: env.py was not tried with a throw-away database: {reason}"
)
NO_PLUGIN = Entry(
    "no-plugin",
    "note",
    "migrations_ops is not installed for {python}: tasks work, but a bare alembic there is not"
    " protected",
)
HOOK_MISSING = Entry(
    "hook-missing",
    "warning",
    "the hook {where} would not run: there is no program {command}, or it may not be executed",
)
BACKUPS_NOT_KEPT = Entry(
    "backups-not-kept",
    "note",
    "the backups of {where} are in {folder}, a file system ({type}) that ends with {end};"
    " {database} does not. To keep them, name a folder of a volume in the configuration: backups",
)
STATE = Entry(
    "state",
    "error",
    "{where} ({database}) is {state}{detail}",
    "See what to do there: invoke verify --env {environment}",
)
STATE_PENDING = STATE.also("note", "{where} ({database}) is {state}, {pending} pending")
STATE_AT_HEAD = STATE.also("note", "{where} ({database}) is at head")
