from migrations_ops.tasks import namespace

ns = namespace(__file__)
