"""A pipeline with a program of each kind, for tests."""

import msgspec

from modelwright.deploy.exports.ci.pipeline import Pipeline, Program, Stage

PROGRAMS = (
    Program(name="api", folder="backend", kind="uv", runtime="3.13"),
    Program(name="queue", folder="old folder", kind="poetry", runtime="3.12", types="mypy"),
    Program(name="tool", folder=".", kind="pip", runtime="3.11"),
    Program(name="web", folder="it's/frontend", kind="npm", runtime="22"),
    Program(name="own", folder="own", kind="other", runtime=""),
)
STAGES = (
    Stage(name="test", secrets=("OPENAI_API_KEY",)),
    Stage(name="production", secrets=("DATABASE_URL", "OPENAI_API_KEY"), ssh=True),
)
WHOLE = Pipeline(
    project="support",
    manifest="deploy/modelwright.yaml",
    requirement="modelwright[deploy]==1.2.3",
    programs=PROGRAMS,
    stages=STAGES,
    registry="registry.example.com/team",
)
STREAMED = msgspec.structs.replace(WHOLE, registry="", programs=())
ONLY_CHECKS = Pipeline(project="support", manifest="modelwright.yaml", requirement="modelwright[deploy]==1.2.3")
