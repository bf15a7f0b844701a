"""The front of the command line: its table, its help, and what it loads."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from modelwright.cli.main import VERBS, Verb, app

HEAVY = {
    "aiohttp", "alembic", "fastapi", "httptools", "numpy", "onnxruntime", "openvino", "pydantic", "rich",
    "ruamel", "sqlalchemy", "starlette", "uvicorn", "uvloop",
}  # fmt: skip
HELP = """\
Usage: modelwright [OPTIONS] COMMAND [ARGS]...

  Take AI models and LLM applications to production and keep them there.

Options:
  --version  Print the version.
  --help     Show this message and exit.

Commands:
  up            Run everything that the manifest names.
  status        Tell what runs, since when and how busy it is.
  check         Find every fault of a manifest; --write mends misspelt keys.
  explain       Tell which variant of an endpoint answers, and why.
  bench         Measure an endpoint under load: throughput, latencies, cost.
  package       Build the images of what the manifest names.
  plan          Show what a deploy would change, before it does anything.
  deploy        Make an environment what the manifest says.
  resume        Go on with a deploy that was cut off.
  abort         Undo a deploy that has not ended, or end a trial.
  promote       Give all traffic to the release on trial.
  rollback      Go back to an earlier release.
  releases      Tell what serves, what served, and who decided so.
  models        Keep versions of models; see which are loaded.
  prompts       Look at versions of prompts and move aliases.
  variants      Compare variants and shift traffic between them.
  tasks         List, show and cancel tasks, whoever has left them.
  prices        Tell what every variant costs, and where its price stands.
  render        Write for others' tools: pipelines, edges, Compose, firewalls.
  keys          Create, rotate, list and revoke API keys.
  database      Take the state of a file into PostgreSQL.
  backup        Keep all state of a site or an environment in one file.
  restore       Put the state of a site or an environment back.
  secrets       Keep secrets in an encrypted file; see where each comes from.
  schema        Print the manifest's JSON Schema, for editors.
  dev-provider  Run an upstream for tests, faults on demand.
"""
PROGRAM = str(Path(sys.executable).with_name("modelwright"))
runner = CliRunner()


def test_the_help_is_the_table() -> None:
    result = runner.invoke(app, ["--help"], prog_name="modelwright")
    assert (result.exit_code, result.output) == (0, HELP)


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom modelwright.cli.main import main\nsys.argv = ['modelwright', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('\\n'.join({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("Usage: modelwright")
    assert not set(result.stderr.split()) & HEAVY
    assert "modelwright" in result.stderr


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_each_verb_is_there_and_helps(verb: Verb) -> None:
    found = getattr(import_module(verb.module), verb.attribute)
    assert isinstance(found, typer.Typer) or callable(found)
    result = runner.invoke(app, [verb.name, "--help"], prog_name="modelwright")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: modelwright {verb.name} ")


def test_the_version_is_that_of_the_package() -> None:
    from modelwright import __version__

    assert runner.invoke(app, ["--version"]).output == f"modelwright {__version__}\n"


def test_an_unknown_verb_gets_a_proposal() -> None:
    result = runner.invoke(app, ["chekc"], prog_name="modelwright")
    assert result.exit_code == 2
    assert "There is no command 'chekc'. Did you mean 'check'?" in result.stderr
    assert runner.invoke(app, []).exit_code == 2


def test_an_argument_that_is_no_text_is_refused_by_its_place() -> None:
    found = subprocess.run([PROGRAM, "keys", "revoke", b"\xff"], capture_output=True, check=False)
    assert found.returncode == 1
    assert found.stderr.decode() == "error: argument 3 holds bytes that are not UTF-8 (write it in UTF-8)\n"


def test_trouble_with_files_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "modelwright.yaml").write_text("schema: 1\nname: x\n")
    (tmp_path / ".modelwright").write_text("a file where a folder should be")
    found = subprocess.run(
        [PROGRAM, "keys", "list"], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60
    )
    assert found.returncode == 1
    assert found.stderr.startswith("error: ")
    assert "Traceback" not in found.stderr
