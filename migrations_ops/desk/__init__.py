"""What each task does between the command line and the functions of the library.

The rooms are opened when a task enters them: ``invoke --list`` loads none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migrations_ops.desk import doctor, looking, releasing, revising, shelving

__all__ = ["doctor", "looking", "releasing", "revising", "shelving"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    from importlib import import_module

    return import_module(f"{__name__}.{name}")
