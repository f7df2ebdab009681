"""Decides which values of an environment's variables are secrets, to be hidden in all output.

Not every value can be: a variable that holds `prod` would hide the name of the environment in each
message. docs/configuration.md has the rule in words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from migrations_ops.child.protocol.redaction import (
    keep_secret_texts,
    keep_secrets_of_urls,
    redacted,
)
from migrations_ops.project.environments import Environment, UrlFromVariable
from migrations_ops.project.settings import Settings

# Parts of the names of variables whose value is a secret, whatever it looks like.
_SECRET = re.compile(
    r"PASS|PWD|SECRET|TOKEN|(?:^|_|API|ACCESS)KEYS?(?:_|\d*$)|CREDENTIAL|AUTH|PRIVATE|SALT|SIGN"
    r"|DSN|WEBHOOK",
    re.IGNORECASE,
)
_NAMES_A_FILE = re.compile(r"(?:FILE|PATH|DIR|FOLDER)$", re.IGNORECASE)
# Words, numbers with their signs, and paths: nobody's secret, and part of many messages.
_PLAIN = re.compile(
    r"[A-Za-z]+(?:[-_. /][A-Za-z]+)*"
    r"|[\d\s.,:;/+-]+"
    r"|(?:~?|\.{1,2}|[A-Za-z]:)[\\/].*"
    r"|[\w-]+(?:/[\w-]+)*\.[A-Za-z]\w{0,4}"
)
# How long a line of a value has to be, to be a secret by itself.
_LINE = 16
_PARTS = re.compile(r"[/:@?&=]+")


def find_secrets(variables: Mapping[str, str], public: Collection[str]) -> Iterator[str]:
    """The values that are secrets; of a URL, mostly only its password is one.

    :param public: what is shown in any case: the names of environments, for instance.
    """
    for name, value in variables.items():
        named = _SECRET.search(name) and not _NAMES_A_FILE.search(name)
        looks_secret = "://" not in value and not _PLAIN.fullmatch(value)
        if value not in public and "{url}" not in value and (named or looks_secret):
            yield value
            yield from _lines_of_a_key(value)


def _lines_of_a_key(value: str) -> Iterator[str]:
    """Lines that may be shown by themselves; "}" and "prod" are no part of a key."""
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _LINE and not _PLAIN.fullmatch(line))


def keep_configured_secrets(settings: Settings, shell: Mapping[str, str]) -> None:
    """Hide the secrets of all environments from now on, as far as they can be known before a URL is
    asked for."""
    public, variables = {settings.selector}, []
    for environment in settings.path:
        urls = _known_urls(environment, shell)
        passed = {name: shell[name] for name in environment.passed_variables if name in shell}
        variables += [environment.variables, passed]
        keep_secrets_of_urls([*urls, *environment.variables.values(), *passed.values()])
        public.update(_public(environment), *(_PARTS.split(redacted(url)) for url in urls))
    passed = {name: shell[name] for name in settings.hooks.passed_variables if name in shell}
    keep_secrets_of_urls(passed.values())
    variables.append(passed)
    for each in variables:
        keep_secret_texts(find_secrets(each, public))


def _known_urls(environment: Environment, shell: Mapping[str, str]) -> list[str]:
    sources = (environment.url, environment.inspect_url, environment.scratch_url)
    texts = [
        shell.get(each.variable, "") if isinstance(each, UrlFromVariable) else each
        for each in sources
    ]
    return [text for text in texts if isinstance(text, str) and "://" in text]


def _public(environment: Environment) -> set[str]:
    """Words that messages have to name."""
    return {
        environment.name,
        environment.section,
        environment.scripts,
        environment.target,
        environment.version_table,
        environment.version_table_schema or "",
    }
