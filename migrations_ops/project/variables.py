"""Builds the environment variables of one step; none are inherited."""

from __future__ import annotations

import os
from collections.abc import Mapping

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.project.environments import Environment
from migrations_ops.system.variables import base_variables


def step_variables(
    environment: Environment,
    selector: str,
    url: str,
    shell: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The variables of one step: the base, the selector, and what the configuration names.

    :param selector: the variable that names the environment; empty if the project has none.

    :raises ConfigurationError: a variable to pass, or a configured one, is missing or empty.
        An empty variable has made a project write a fresh database into its working directory.
    """
    shell = os.environ if shell is None else shell
    variables = base_variables(shell)
    for name in environment.passed_variables:
        if not shell.get(name, "").strip():
            state = "empty" if name in shell else "not set"
            raise ConfigurationError(
                f"The variable {name}, which {environment.name} passes on, is {state}.",
                next=f"Set {name}, or remove it from pass in environments.{environment.name}.",
            )
        variables[name] = shell[name]
    if selector:
        variables[selector] = environment.name
    for name, template in environment.variables.items():
        value = template.replace("{url}", url)
        if not value.strip():
            raise ConfigurationError(
                f"The variable {name} of environments.{environment.name} is empty.",
                next="Give it a value, or remove it.",
            )
        variables[name] = value
    return variables
