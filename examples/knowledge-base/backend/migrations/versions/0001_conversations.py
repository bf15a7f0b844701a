"""Passages with their vectors, conversations, questions, answers.

Migrations only add: during a deploy the release before runs beside this one, and after a rollback it runs alone.
"""

from alembic import op

revision = "0001"
down_revision = None

MISSING = (
    "This PostgreSQL has no pgvector, which keeps the passages' vectors. Use an image that has it (pgvector/pgvector:pg16; "
    "`vector: true` of services.postgres in modelwright.yaml), or install the package postgresql-NN-pgvector on the server."
)


def upgrade() -> None:
    """Make all of it."""
    connection = op.get_bind()
    if not connection.exec_driver_sql("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'").scalar():
        raise SystemExit(MISSING)
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)


STATEMENTS = """
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE passages (
    edition text NOT NULL,
    language text NOT NULL,
    name text NOT NULL,
    title text NOT NULL,
    heading text NOT NULL,
    text text NOT NULL,
    vector vector NOT NULL,
    PRIMARY KEY (edition, language, name)
);

CREATE TABLE conversations (
    id uuid PRIMARY KEY,
    visitor uuid NOT NULL,
    title text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX conversations_of_visitor ON conversations (visitor, updated_at DESC);

CREATE TABLE questions (
    id uuid PRIMARY KEY,
    conversation uuid NOT NULL REFERENCES conversations ON DELETE CASCADE,
    number bigint GENERATED ALWAYS AS IDENTITY,
    text text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX questions_of_conversation ON questions (conversation, number);

CREATE TABLE answers (
    question uuid PRIMARY KEY REFERENCES questions ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'answering', 'done', 'failed')),
    attempt int NOT NULL DEFAULT 0,
    worker uuid,
    held_until timestamptz NOT NULL DEFAULT now(),
    kind text CHECK (kind IN ('model', 'quotes', 'nothing')),
    notice text NOT NULL DEFAULT '',
    sources jsonb NOT NULL DEFAULT '[]',
    text text NOT NULL DEFAULT '',
    call text NOT NULL DEFAULT '',
    score smallint CHECK (score IN (0, 1)),
    told boolean NOT NULL DEFAULT true,
    ended_at timestamptz
);
CREATE INDEX answers_to_make ON answers (held_until) WHERE state IN ('waiting', 'answering');
CREATE INDEX answers_to_tell ON answers (question) WHERE NOT told;

CREATE FUNCTION tell_of_answer() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('answers', NEW.question::text); RETURN NULL; END $$;
CREATE TRIGGER tell_of_answer AFTER UPDATE ON answers FOR EACH ROW EXECUTE FUNCTION tell_of_answer();
"""
