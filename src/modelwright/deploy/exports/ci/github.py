"""A workflow of GitHub Actions: checks on every pull request, then images, test, and production once it is approved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelwright.deploy.exports.ci import commands
from modelwright.deploy.exports.ci.actions import pinned
from modelwright.deploy.exports.ci.checking import checks
from modelwright.deploy.exports.ci.pipeline import Pipeline, Program, Stage
from modelwright.deploy.exports.text import comment, moved, quoted

FILE = ".github/workflows/modelwright.yml"
_CHECKED = "github.event_name != 'workflow_dispatch'"
_PUSHED = "github.event_name == 'push'"
_ASKED = "github.event_name == 'workflow_dispatch'"


def workflow(pipeline: Pipeline) -> str:
    """The text of the file."""
    jobs = [_manifest(pipeline), *(_program(program) for program in pipeline.programs if checks(program))]
    jobs += [comment(commands.QUALITY)]
    if pipeline.stages:
        needed = ["manifest", *(_job_name(program) for program in pipeline.programs if checks(program))]
        if pipeline.registry:
            jobs.append(_images(pipeline, needed))
            needed = ["images"]
        for stage in pipeline.stages:
            jobs.append(_deploy(pipeline, stage, after=needed))
            needed = [*needed, f"deploy-{stage.name}"]
        jobs.append(_rollback(pipeline))
    return "\n".join([_head(pipeline), "jobs:", *(moved(job, 2) for job in jobs)]).rstrip() + "\n"


def _head(pipeline: Pipeline) -> str:
    asked = _inputs(pipeline) if pipeline.stages else ()
    lines = [
        *comment(_introduction(pipeline)),
        "",
        f"name: {quoted(pipeline.project)}",
        "",
        "on:",
        "  pull_request:",
        "  push:",
        f"    branches: [{quoted(pipeline.branch)}]",
        *asked,
        "",
        "permissions:",
        "  contents: read",
        "",
        "# A newer commit of a pull request ends the checks of the older one; nothing that deploys is ever cut off.",
        "concurrency:",
        "  group: ${{ github.workflow }}-${{ github.event_name == 'pull_request' && github.ref || github.run_id }}",
        "  cancel-in-progress: true",
        "",
    ]
    return "\n".join(lines)


def _introduction(pipeline: Pipeline) -> Iterator[str]:
    yield from commands.written(pipeline, "github")
    if not pipeline.stages:
        return
    yield ""
    yield "To be set up once, in the repository's settings:"
    for stage in pipeline.stages:
        secrets = [*stage.secrets, *((commands.SSH_KEY,) if stage.ssh else ())]
        told = f", with the secrets {', '.join(secrets)}" if secrets else ""
        hosts = f" and the variable {commands.KNOWN_HOSTS} (what ssh-keyscan says)" if stage.ssh else ""
        yield f"  Environments > {stage.name}{told}{hosts}"
    yield f"  Environments > {pipeline.stages[-1].name} > Required reviewers: whoever approves a deploy"
    if pipeline.registry:
        yield f"  Secrets > {commands.TOKEN} and Variables > {commands.USER}, unless the registry is GitHub's"


def _inputs(pipeline: Pipeline) -> list[str]:
    names = [stage.name for stage in reversed(pipeline.stages)]
    return [
        "  # Run by hand, it rolls back.",
        "  workflow_dispatch:",
        "    inputs:",
        "      environment:",
        "        description: Environment that goes back to an earlier release",
        "        type: choice",
        "        required: true",
        f"        options: [{', '.join(names)}]",
        "      release:",
        "        description: Release to go back to; left empty, the one before",
        "        type: string",
    ]


def _manifest(pipeline: Pipeline) -> list[str]:
    return [
        "manifest:",
        f"  if: {_CHECKED}",
        *_runs(minutes=10),
        "  steps:",
        *_checkout(),
        *_python("3.13"),
        *_step("Check the manifest", [commands.install(pipeline), commands.check(pipeline)]),
    ]


def _program(program: Program) -> list[str]:
    lines = [
        f"{_job_name(program)}:",
        f"  if: {_CHECKED}",
        *_runs(minutes=20),
        "  defaults:",
        "    run:",
        f"      working-directory: {quoted(program.folder)}",
        "  steps:",
        *_checkout(),
        *(_node(program.runtime) if program.kind == "npm" else _python(program.runtime)),
    ]
    for check in checks(program):
        lines += _step(check.title, check.lines)
    return lines


def _images(pipeline: Pipeline, needed: Sequence[str]) -> list[str]:
    return [
        *comment(["Built once: what was tried in test is what goes to production."]),
        "images:",
        f"  if: {_PUSHED}",
        f"  needs: [{', '.join(needed)}]",
        *_runs(minutes=60),
        "  permissions:",
        "    contents: read",
        "    packages: write",
        "  outputs:",
        "    images: ${{ steps.package.outputs.images }}",
        "  steps:",
        *_checkout(),
        *_python("3.13"),
        f"    - uses: {pinned('docker/setup-buildx-action')}",
        *_login(pipeline),
        *_step(
            "Build, scan and push",
            [
                commands.install(pipeline),
                commands.package(pipeline, engine="new"),
                f'echo "images=$({commands.REFERENCES})" >> "$GITHUB_OUTPUT"',
            ],
            name="package",
        ),
    ]


def _deploy(pipeline: Pipeline, stage: Stage, *, after: Sequence[str]) -> list[str]:
    return [
        f"deploy-{stage.name}:",
        f"  if: {_PUSHED}",
        f"  needs: [{', '.join(after)}]",
        *_deploying(pipeline, stage.name, ssh=stage.ssh),
        *(_pull() if pipeline.registry else ()),
        *_step("Deploy", [commands.deploy(pipeline, stage.name)], env=_secrets(stage.secrets)),
    ]


def _rollback(pipeline: Pipeline) -> list[str]:
    asked = {
        commands.ENVIRONMENT: "${{ inputs.environment }}",
        commands.RELEASE: "${{ inputs.release }}",
        **_secrets(sorted({name for stage in pipeline.stages for name in stage.secrets})),
    }
    ssh = any(stage.ssh for stage in pipeline.stages)
    return [
        "rollback:",
        f"  if: {_ASKED}",
        *_deploying(pipeline, "${{ inputs.environment }}", ssh=ssh),
        *_step("Roll back", [commands.rollback(pipeline)], env=asked),
    ]


def _deploying(pipeline: Pipeline, environment: str, *, ssh: bool) -> list[str]:
    lines = [
        *_runs(minutes=60),
        *(["  permissions:", "    contents: read", "    packages: read"] if pipeline.registry else []),
        f"  environment: {environment}",
        "  # One at a time for an environment; whoever comes second waits.",
        "  concurrency:",
        f"    group: deploy-{environment}",
        "    cancel-in-progress: false",
        "  steps:",
        *_checkout(),
        *_python("3.13"),
        *(_login(pipeline) if pipeline.registry else ()),
        *_step("Install Modelwright", [commands.install(pipeline)]),
    ]
    if ssh:
        env = {
            commands.SSH_KEY: f"${{{{ secrets.{commands.SSH_KEY} }}}}",
            commands.KNOWN_HOSTS: f"${{{{ vars.{commands.KNOWN_HOSTS} }}}}",
        }
        kept = 'echo "SSH_AUTH_SOCK=$SSH_AUTH_SOCK" >> "$GITHUB_ENV"'
        lines += _step("Let SSH in", [*commands.agent(), kept], env=env)
    return lines


def _secrets(names: Sequence[str]) -> dict[str, str]:
    return {name: f"${{{{ secrets.{name} }}}}" for name in names}


def _job_name(program: Program) -> str:
    return f"app-{program.name}"


def _runs(*, minutes: int) -> list[str]:
    return ["  runs-on: ubuntu-24.04", f"  timeout-minutes: {minutes}"]


def _checkout() -> list[str]:
    return [f"    - uses: {pinned('actions/checkout')}", "      with:", "        persist-credentials: false"]


def _python(version: str) -> list[str]:
    return [f"    - uses: {pinned('actions/setup-python')}", "      with:", f'        python-version: "{version}"']


def _node(version: str) -> list[str]:
    return [f"    - uses: {pinned('actions/setup-node')}", "      with:", f'        node-version: "{version}"']


def _login(pipeline: Pipeline) -> list[str]:
    own = " || github.token" if pipeline.registry.partition("/")[0] == "ghcr.io" else ""
    env = {
        commands.USER: f"${{{{ vars.{commands.USER} || github.actor }}}}",
        commands.TOKEN: f"${{{{ secrets.{commands.TOKEN}{own} }}}}",
    }
    return _step("Log in to the registry", [commands.login(pipeline)], env=env)


def _pull() -> list[str]:
    env = {"IMAGES": "${{ needs.images.outputs.images }}"}
    return _step("Fetch the images", ['echo "$IMAGES" | xargs -n 1 docker pull --quiet'], env=env)


def _env(variables: dict[str, str], *, by: int = 2) -> list[str]:
    indent = " " * by
    return [f"{indent}env:", *(f"{indent}  {name}: {value}" for name, value in variables.items())] if variables else []


def _step(title: str, lines: Sequence[str], *, env: dict[str, str] | None = None, name: str = "") -> list[str]:
    return [
        f"    - name: {title}",
        *([f"      id: {name}"] if name else []),
        *_env(env or {}, by=6),
        *([f"      run: {lines[0]}"] if _short(lines) else ["      run: |", *(f"        {line}" for line in lines)]),
    ]


def _short(lines: Sequence[str]) -> bool:
    """Whether YAML takes the one line as it is."""
    return len(lines) == 1 and ": " not in lines[0] and " #" not in lines[0]
