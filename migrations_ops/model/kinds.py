"""The kinds of objects in a schema, as fingerprints and the codes of findings name them."""

KINDS = ("foreign key", "primary key", "materialized view", "table", "column", "index", "trigger",
         "view", "check", "unique", "exclusion", "sequence", "function", "procedure", "event",
         "type", "domain", "policy", "rule", "statistics", "extension", "schema", "privilege",
         "object")  # fmt: skip
