"""Reads the id and the links of a revision script from its source, without running it.

A pattern reads the beginning of the file line by line, as Alembic's template writes it, and gives
up at the first line that it does not know. Whatever it leaves open, Python's own parser decides;
what that leaves open is computed, and only Alembic can tell.
"""

from __future__ import annotations

import re

from migrations_ops.revisions.errors import ComputedRevision, UnreadableScript
from migrations_ops.revisions.history import Revision

NAMES = ("revision", "down_revision", "depends_on", "branch_labels")

_TEXT = r"""(?:"[^"\\\n]*"|'[^'\\\n]*')"""
# Two runs of white space never meet: a million of them would be tried in each division.
_TEXTS = rf"\s*(?:{_TEXT}\s*(?:,\s*{_TEXT}\s*)*(?:,\s*)?)?"
_END = r"[ \t]*(?:\#[^\n]*)?(?:\n|\Z)"
# One logical line at module level. Nothing here can begin inside brackets or a long string, since
# each line is matched from the end of the one before it.
_LINE = re.compile(
    rf"""
    [ \t]*(?:\#[^\n]*)?\n
    | (?P<imports>(?:import|from)[ \t][^\n()*;\\\#"']*(?:\([^()*\#]*\))?){_END}
    | (?P<name>{"|".join(NAMES)})(?:[ \t]*:[^=\n\#;]*)?[ \t]*=[ \t]*
      (?P<value>None|{_TEXT}|\({_TEXTS}\)|\[{_TEXTS}\]){_END}
    """,
    re.VERBOSE,
)
_DOCSTRING = re.compile(
    rf"""
    (?:[ \t]*(?:\#[^\n]*)?\n)*
    (?:
      \"\"\"(?P<long>[^"\\]*(?:"(?!"")[^"\\]*)*)\"\"\"
      | '''(?P<other>[^'\\]*(?:'(?!'')[^'\\]*)*)'''
      | (?!\"\"\"|''')(?P<short>{_TEXT})
    ){_END}
    """,
    re.VERBOSE,
)
_CODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.MULTILINE)
_HINTS = ("revision", "branch_labels", "depends_on", "import", "globals", "exec(", "__getattr__")
_REBINDS = re.compile(
    rf"""(?<![\w.\"'])(?:{"|".join(NAMES)})\b(?![\"'])"""
    r"|import\s*\*|\bglobals\b|\bexec\(|\b__getattr__\b"
)
_LEGACY_NAME = re.compile(r"([a-f0-9]+)\.py$")


def parse(source: bytes, file: str, name: str) -> Revision:
    """The revision that a script declares.

    A syntax error is found only if the whole file had to be parsed.

    :param source: the script, in any encoding that Python takes.
    :param file: its path.
    :param name: its file name, which is the revision in scripts from before Alembic 0.2.
    :raises UnreadableScript: a syntax error, no revision, or a value that is none.
    :raises ComputedRevision: only running the script would tell.
    """
    return _by_pattern(source, file) or _by_tree(source, file, name)


def _by_pattern(source: bytes, file: str) -> Revision | None:
    """The revision, None where the pattern cannot be sure."""
    text = _decode(source)
    if text is None:
        return None
    at, message = 0, ""
    if docstring := _DOCSTRING.match(text):
        at = docstring.end()
        written = docstring["long"] or docstring["other"] or (docstring["short"] or "")[1:-1]
        message = _first_line(written)
    values: dict[str, tuple[str, ...]] = {}
    while at < len(text) and (line := _LINE.match(text, at)):
        at = line.end()
        if imports := line["imports"]:
            if any(name in imports for name in NAMES):
                return None
        elif name := line["name"]:
            value = line["value"]
            if name == "revision" and (value[0] not in "\"'" or len(value) == 2):
                return None
            values[name] = tuple(each[1:-1] for each in re.findall(_TEXT, value))
    rest = text[at:]
    if "revision" not in values or "down_revision" not in values:
        return None
    if any(hint in rest for hint in _HINTS) and _REBINDS.search(rest):
        return None
    return Revision(
        revision=values["revision"][0],
        down=values["down_revision"],
        depends_on=values.get("depends_on", ()),
        labels=values.get("branch_labels", ()),
        file=file,
        message=message,
    )


def _decode(source: bytes) -> str | None:
    """The text with Python's idea of lines; None where it is not plain UTF-8."""
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if "\0" in text or "\f" in text:
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    first_lines = text[: text.find("\n", text.find("\n") + 1)]
    if "coding" in first_lines and (coding := _CODING.search(first_lines)):
        return text if coding[1].lower() in ("utf-8", "utf8", "utf_8") else None
    return text


def _by_tree(source: bytes, file: str, name: str) -> Revision:
    import ast
    import warnings

    from migrations_ops.revisions.syntax_tree import COMPUTED, module_values

    try:
        with warnings.catch_warnings():
            # Old scripts have many invalid escapes; Python warns about them when they run.
            warnings.simplefilter("ignore")
            tree = ast.parse(source, file)
    except SyntaxError as error:
        where = f"{file}, line {error.lineno}" if error.lineno else file
        raise UnreadableScript(f"{where}: {error.msg}.") from None
    except ValueError as error:
        raise UnreadableScript(f"{file}: {error}.") from None
    except (RecursionError, MemoryError):
        raise ComputedRevision(file) from None
    values = module_values(tree, NAMES)
    for each in NAMES:
        if values.get(each) is COMPUTED:
            raise ComputedRevision(file, each)
    return Revision(
        revision=_own_id(values, file, name),
        down=_ids(values, "down_revision", file),
        depends_on=_ids(values, "depends_on", file),
        labels=_ids(values, "branch_labels", file),
        file=file,
        message=_first_line(ast.get_docstring(tree, clean=False) or ""),
    )


def _own_id(values: dict[str, object], file: str, name: str) -> str:
    if "revision" not in values:
        legacy = _LEGACY_NAME.match(name)
        if legacy is None:
            raise UnreadableScript(
                f"{file} declares no revision, and Alembic loads no folder that holds such a file.",
                next="Move it out of the folder of revision scripts, or declare its revision.",
            )
        values = {**values, "revision": legacy[1]}
    if "down_revision" not in values:
        raise UnreadableScript(f"{file} declares no down_revision.")
    own = values["revision"]
    if not isinstance(own, str) or not own:
        raise UnreadableScript(f"{file} declares the revision {own!r}, which is not a text.")
    return own


def _ids(values: dict[str, object], key: str, file: str) -> tuple[str, ...]:
    value = values.get(key)
    ids: list[object]
    if isinstance(value, tuple | list):
        ids = list(value)
    elif isinstance(value, set | frozenset):
        ids = sorted(value, key=str)
    else:
        ids = [value]
    if ids == [None]:
        return ()
    if not all(isinstance(each, str) for each in ids):
        raise UnreadableScript(f"{file} declares {key} as {value!r}, which names no revisions.")
    return tuple(str(each) for each in ids)


def _first_line(docstring: str) -> str:
    return docstring.strip().split("\n", 1)[0].strip()
