"""The tasks of this repository: those of migrations_ops, over its own database."""

from migrations_ops.tasks import namespace

ns = namespace(__file__)
