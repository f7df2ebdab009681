"""How an env.py learns its database, as far as its source tells."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.system.reading import read_bytes

_OF_THE_INI = frozenset({"engine_from_config", "async_engine_from_config"})
_URL = "sqlalchemy.url"
# Such parts has the name of a variable that holds a database's address; the first are likelier.
_URLS = ("URL", "URI", "DSN")
_DATABASES = ("DATABASE", "DB", "SQLALCHEMY")
# A variable of such a name holds a part of the address, or an option.
_PART = re.compile(
    r"(?:.*_)?(?:HOST|HOSTNAME|SERVER|PORT|NAME|USER|USERNAME|PASS|PASSWORD|SCHEMA|DRIVER|ECHO)"
    r"|(?:POSTGRES|PG|MYSQL|MARIADB)_(?:DB|DATABASE)"
)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
_SELECTOR = re.compile(r"(?:.*_)?(?:ENV|ENVIRONMENT|STAGE)")
# What is read beside env.py: enough for the settings of an application, not all of it.
_MODULES = 40


@dataclass(frozen=True)
class EnvPy:
    """What an env.py tells, and what the project's modules tell that it imports.

    ``addresses`` are variables that may hold the URL, the likeliest first, and ``imported`` those
    of its modules; ``parts`` hold a part of it each; ``selectors`` may hold the name of the
    environment; ``x`` are the keys of ``-x``. ``reads_ini``: it takes the URL from the ini, and
    does not put another one there.
    """

    addresses: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()
    x: tuple[str, ...] = ()
    reads_ini: bool = False
    is_flask: bool = False
    is_async: bool = False
    has_several_databases: bool = False
    version_table: str = ""


def read_env_py(file: Path, roots: Iterable[Path] = ()) -> EnvPy:
    """What the source of an env.py tells; nothing where it cannot be read.

    :param roots: the folders from which it imports modules of the project.
    """
    tree = _parsed(file)
    if tree is None:
        return EnvPy()
    modules = list(_modules(tree, tuple(roots)))
    read = (name for each in (tree, *modules) for name in _environ(each))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    names = set(_names(tree))
    several = ("databases" in texts and "db_names" in names) or "bind_names" in names
    addresses = _likeliest([*_read_by_name(tree), *_settings_fields(tree)])
    imported = [
        name for each in modules for name in (*_read_by_name(each), *_settings_fields(each))
    ]
    return EnvPy(
        addresses=addresses,
        imported=tuple(name for name in _likeliest(imported) if name not in addresses),
        parts=_parts([*_read_by_name(tree), *_settings_fields(tree), *imported]),
        selectors=tuple(dict.fromkeys(filter(_SELECTOR.fullmatch, read))),
        x=tuple(dict.fromkeys(_x_keys(tree))),
        reads_ini=(_URL in texts or bool(_OF_THE_INI & names)) and not _sets_ini(tree),
        is_flask="current_app" in names,
        is_async=bool({"async_engine_from_config", "create_async_engine"} & names),
        has_several_databases=several,
        version_table=next(_keyword_texts(tree, "version_table"), ""),
    )


def setting_for(file: Path, roots: Iterable[Path] = ()) -> str:
    """The line of configuration that hands this env.py its URL; empty where its source does not
    tell, or cannot be read."""
    found = read_env_py(file, roots)
    if found.reads_ini and not found.addresses:
        return "ini_url = true"
    variables = (*found.addresses, *found.imported)
    return f'variables = {{ {variables[0]} = "{{url}}" }}' if variables else ""


def _parts(names: Iterable[str]) -> tuple[str, ...]:
    """Those that hold a part of an address: of a database's, or none is."""
    parts = [name for name in dict.fromkeys(names) if _PART.fullmatch(name)]
    databases = ("DB", "DATABASE", "POSTGRES", "PG", "MYSQL", "MARIADB")
    return tuple(name for name in parts if any(each in name for each in databases))


def _likeliest(names: Iterable[str]) -> tuple[str, ...]:
    """Those that may hold an address, the likeliest first."""
    addresses = (
        name
        for name in names
        if any(part in name for part in (*_URLS, *_DATABASES)) and not _PART.fullmatch(name)
    )
    return tuple(sorted(dict.fromkeys(addresses), key=_likelihood))


def _likelihood(name: str) -> int:
    """How far from likely it is that a variable holds the URL of the database."""
    is_url = any(part in name for part in _URLS)
    return 0 if is_url and any(part in name for part in _DATABASES) else 1 if is_url else 2


def _parsed(file: Path) -> ast.Module | None:
    try:
        return ast.parse(read_bytes(file))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _modules(tree: ast.Module, roots: tuple[Path, ...]) -> Iterator[ast.Module]:
    """The modules of the project that a module imports, directly or through others."""
    seen: set[Path] = set()
    waiting = list(_imported(tree, "", roots))
    while waiting and len(seen) < _MODULES:
        file, package = waiting.pop(0)
        if file in seen:
            continue
        seen.add(file)
        found = _parsed(file)
        if found is not None:
            yield found
            waiting += _imported(found, package, roots)


def _imported(
    tree: ast.Module, package: str, roots: tuple[Path, ...]
) -> Iterator[tuple[Path, str]]:
    """The files that a module imports, each with the name of its package."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(parents if node.level else []), *filter(None, [node.module])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            for root in roots:
                path = root.joinpath(*name.split("."))
                for file in (path.with_suffix(".py"), path / "__init__.py"):
                    if file.is_file():
                        is_package = file.name == "__init__.py"
                        yield file, name if is_package else name.rpartition(".")[0]


def _environ(tree: ast.AST) -> Iterator[str]:
    """The environment variables that it reads by a name that is written there."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(
                value=ast.Attribute(attr="environ") | ast.Name(id="environ"),
                slice=ast.Constant(value=str() as name),
            ):
                yield name
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Attribute(attr="environ") | ast.Name(id="environ"), attr="get"
                )
                | ast.Attribute(attr="getenv")
                | ast.Name(id="getenv"),
                args=[ast.Constant(value=str() as name), *_],
            ):
                yield name


def _read_by_name(tree: ast.AST) -> Iterator[str]:
    """Variables that it reads, by ``os.environ`` or by a function of a library for settings."""
    yield from _environ(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Call(args=[ast.Constant(value=str() as name), *_]) if _VARIABLE.fullmatch(
                name
            ):
                yield name


def _settings_fields(tree: ast.AST) -> Iterator[str]:
    """The variables of classes such as pydantic's ``BaseSettings``: one for each field."""
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    # Others are types of a single value, such as a URL or an Enum.
    models = {name: node for name, node in classes.items() if any(_fields(node))}
    for node in classes.values():
        if not any(name.endswith("Settings") for base in node.bases for name in _names(base)):
            continue
        prefix, delimiter = _option(node, "env_prefix"), _option(node, "env_nested_delimiter")
        for name, field in _fields(node):
            nested = [models[each] for each in _names(field.annotation) if each in models]
            if nested:
                parts = (part for each in nested for part in _of_address(each) if delimiter)
                yield from (f"{prefix}{name}{delimiter}{part}".upper() for part in parts)
                continue
            for keyword in ("validation_alias", "alias", "env"):
                yield from (alias.upper() for alias in _keyword_texts(field, keyword))
            yield f"{prefix}{name}".upper()


def _of_address(nested: ast.ClassDef) -> Iterator[str]:
    """The fields of a nested class that may hold a URL, or a part of it."""
    for name, _ in _fields(nested):
        if _PART.fullmatch(name.upper()) or _likeliest([name.upper()]):
            yield name


def _option(settings: ast.ClassDef, name: str) -> str:
    """An option of pydantic-settings, whether ``model_config`` or ``Config`` has it."""
    texts = (*_keyword_texts(settings, name), *_assigned_texts(settings, name))
    return next(iter(texts), "")


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign]]:
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            yield field.target.id, field


def _x_keys(tree: ast.AST) -> Iterator[str]:
    """The keys of ``context.get_x_argument(as_dictionary=True)`` that are written there."""
    if "get_x_argument" not in set(_names(tree)):
        return
    dictionaries = {"get_x_argument"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and "get_x_argument" in set(_names(node.value)):
            dictionaries |= {name for target in node.targets for name in _names(target)}
    for node in ast.walk(tree):
        match node:
            case (
                ast.Subscript(value=read, slice=ast.Constant(value=str() as key))
                | ast.Call(
                    func=ast.Attribute(value=read, attr="get"),
                    args=[ast.Constant(value=str() as key), *_],
                )
            ) if dictionaries & set(_names(read)):
                yield key


def _sets_ini(tree: ast.AST) -> bool:
    """Whether it puts a URL of its own into the ini's options."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="set_main_option" | "set_section_option"), args=arguments
            ) if any(isinstance(a, ast.Constant) and a.value == _URL for a in arguments):
                return True
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=text))]) if (
                text == _URL
            ):
                return True
    return False


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name


def _keyword_texts(tree: ast.AST, keyword: str) -> Iterator[str]:
    """The texts that calls pass by that keyword."""
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg=name, value=ast.Constant(value=str() as text)) if name == keyword:
                yield text


def _assigned_texts(tree: ast.AST, target: str) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Constant(value=str() as text)
            ) if name == target:
                yield text
