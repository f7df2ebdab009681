"""What to type next where a database is not at head, or not the intended one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from migrations_ops.backups.store import BackupStore
from migrations_ops.model.errors import OpsError
from migrations_ops.model.ledger import Ledger
from migrations_ops.operations.state import DatabaseState, LocatedDatabase, identity_mismatch
from migrations_ops.project.environments import Environment
from migrations_ops.project.flask_application import find_applications
from migrations_ops.project.project import Project
from migrations_ops.revisions.env_py import read_env_py, setting_for
from migrations_ops.revisions.history import History


def advice_on_copy(located: LocatedDatabase) -> str:
    """What to type where the database was replaced by a copy of another environment."""
    name, back = located.environment.name, located.way_back
    adopt = f"if it is intended to be {name} from now on: invoke adopt --env {name}"
    if located.environment.protected:
        first = f"To restore {name}: {back}" if back else "Restore the right database"
        return f"{first}; or, {adopt}"
    rest = f"; to restore the old {name}: {back}" if back else ""
    return f"{adopt[0].upper()}{adopt[1:]}{rest}"


def advice_on_destination(project: Project, environment: Environment) -> str:
    """What to do where env.py opened another database than the configured one."""
    where = f"environments.{environment.name} in {project.settings.file.name}"
    return advice_on_url(project, environment) or (
        f"Check how env.py gets its URL: ini_url or variables in {where} pass it."
    )


def advice_on_url(project: Project, environment: Environment) -> str:
    """How to pass env.py its URL, where nothing does and its source shows how; else empty."""
    setting = ""
    with suppress(OpsError):
        file = project.script_location(environment).env
        setting = _setting(environment, project.settings.root, file) if file else ""
    where = f"environments.{environment.name} in {project.settings.file.name}"
    return f"To make env.py connect there, add to {where}: {setting}" if setting else ""


def _setting(environment: Environment, root: Path, file: Path) -> str:
    """The line that is missing; empty where none is, or where none can be told."""
    if environment.flask is None and read_env_py(file).is_flask:
        applications = find_applications(root)
        return f'flask = "{applications[0] if applications else "MODULE:create_app"}"'
    if environment.ini_url or environment.variables:
        return ""
    return setting_for(file, (environment.directory, environment.directory / "src"))


def with_advice_on_url(project: Project, environment: Environment, advice: str) -> str:
    """The advice on an env.py that opened no database: what passes its URL comes first."""
    on_url = advice_on_url(project, environment)
    return f"{on_url}; if that is not it: {advice[0].lower()}{advice[1:]}" if on_url else advice


def advice(state: DatabaseState) -> str:
    """What to type where a database is not at head; empty where it is."""
    name = state.environment.name
    if identity_mismatch(state):
        return advice_on_copy(state)
    if state.inspection.trouble:
        return state.inspection.advice
    if state.overlap:
        return (
            f"If the database is what {state.overlap} builds:"
            f" invoke stamp --env {name} --to {state.overlap}"
        )
    match state.kind:
        case "ahead" | "diverged":
            return _advice_without_scripts(state)
        case "unversioned":
            return _advice_without_version(state)
        case "dirty":
            return _advice_when_dirty(state)
        case "missing" | "empty":
            if not state.way_back and state.history.complete and not state.history.revisions:
                return 'There is no revision yet; to write one: invoke revision --message "begin"'
            return advice_without_database(state)
        case "behind":
            return f"Type: invoke upgrade-{name}"
    return ""


def _advice_without_scripts(state: DatabaseState) -> str:
    """Where the scripts are, as far as the ledger knows; and what else may be the cure."""
    name, history = state.environment.name, state.history
    unknown = history.unknown(state.inspection.revisions)
    ledger = state.ledger() if unknown else Ledger()
    origins = ledger.origins
    ran = [f"{each} ran {origins[each]}" for each in unknown if origins.get(each)]
    fetch = "Fetch the scripts that belong to this database"
    ways = [f"{fetch}: {'; '.join(ran)}" if ran else fetch]
    if unknown and len(history.heads) == 1:
        squash = _find_squash(history, ledger)
        stamp = f"invoke stamp --env {name} --to {squash or 'REVISION'}"
        which = squash or "a REVISION of invoke history"
        ways.append(f"if {which} takes their place, after a squash: {stamp}")
    ways.append(
        f"restore the newest backup that these scripts know: {state.way_back}"
        if state.way_back
        else f"restore a backup: invoke backups --env {name}"
    )
    return "; or, ".join(ways)


def _find_squash(history: History, ledger: Ledger) -> str:
    """The revision that may stand for those that are gone: the first that the database never had.

    :returns: empty where that cannot be known: revisions may have been added after the squash.
    """
    recorded = ledger.recorded
    if not recorded and len(history.revisions) > 1:
        return ""
    had = history.ancestors(each for each in recorded if each in history.revisions)
    new = {each for each in history.revisions if each not in had}
    first = [each for each in new if new.isdisjoint(history.parents[each])]
    if not first:
        return history.heads[0]
    return first[0] if len(first) == 1 else ""


def advice_without_database(located: LocatedDatabase) -> str:
    if located.way_back and not located.inspection.tables:
        return f"Restore it: {located.way_back}"
    return f"Type: invoke upgrade-{located.environment.name}"


def _advice_without_version(state: DatabaseState) -> str:
    name, ran = state.environment.name, last_ran(state)
    revision = ran if ran in state.history.revisions else "REVISION"
    stamp = f"If a revision describes it: invoke stamp --env {name} --to {revision}"
    return f"{stamp}; or restore a backup: {state.way_back}" if state.way_back else stamp


def _advice_when_dirty(state: DatabaseState) -> str:
    name = state.environment.name
    if not state.inspection.begun:
        here = state.inspection.revisions
        is_chosen = len(here) == 1 and set(here) != set(state.target.meant)
        to = f" --to {here[0]}" if is_chosen else ""
        return (
            f"To restore the content from before and run them again: invoke upgrade-{name}{to}; or"
            f" finish them by hand, and then: invoke resolve --env {name} --applied"
        )
    if state.inspection.at_work:
        return "Look again when that has ended: invoke status-all"
    back = state.way_back or BackupStore.restore_command(name)
    resolve = f"invoke resolve --env {name}"
    gone, whole = "if nothing of the revision is left", "if it is whole"
    if "downgrade" in state.inspection.begun.values():
        gone, whole = "if the revision is whole", "if nothing of it is left"
    return (
        f"Restore the backup: {back}; or repair it by hand, and record how: {resolve} --rolled-back"
        f" {gone}, {resolve} --applied {whole}"
    )


def last_ran(state: DatabaseState) -> str:
    """The revision that ran there last, according to the ledger; empty without one."""
    ran = list(state.ledger().ran) if state.inspection.environment else []
    return ran[-1] if ran else ""
