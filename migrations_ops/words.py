"""Numbers and values as people read, and type, them."""

from __future__ import annotations


def human_size(size: int) -> str:
    """A number of bytes in the unit in which it is read most easily (1 KB is 1000 bytes)."""
    amount = float(size)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def counted(count: int, noun: str) -> str:
    """``1 revision``, ``3 revisions``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def quoted(argument: str) -> str:
    """An argument as it is typed in bash, PowerShell and cmd alike."""
    plain = argument.replace("-", "").replace("_", "").replace(":", "").replace(".", "")
    return argument if plain.isalnum() else f'"{argument}"'


def see_env_py(environment: str) -> str:
    """What to do when env.py went to another database than the one that is meant."""
    return (
        "See how env.py learns its database: variables, x or ini_url = true in"
        f" environments.{environment}; invoke doctor tells more."
    )
