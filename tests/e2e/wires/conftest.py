"""One site for the tests of all wires, and the vendors' own SDKs as its clients."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import Site, running
from tests.e2e.wires.calls import PROMPT, block


@pytest.fixture(scope="package")
def provider() -> Iterator[DevProvider]:
    with DevProvider("--delay", "15ms", key="sk-live") as running_provider:
        yield running_provider


@pytest.fixture(scope="package")
def parrot() -> Iterator[DevProvider]:
    """Repeats what it hears, in pieces."""
    with DevProvider("--echo", "3") as running_provider:
        yield running_provider


@pytest.fixture(scope="package")
def site(provider: DevProvider, parrot: DevProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = f"http://127.0.0.1:{provider.port}"
    key = 'keys: ["sk-live"]'
    echo = f"http://127.0.0.1:{parrot.port}"
    parrots = "".join(f'\n  {kind}-parrot: {{kind: {kind}, base_url: "{echo}"}}' for kind in ("tgi", "anthropic"))
    parrots = parrots.replace(f'tgi, base_url: "{echo}"', f'tgi, base_url: "{echo}/v1"')
    manifest = block("yaml")
    for written, ours in (
        ('keys: ["${secret:ANTHROPIC_API_KEY}"]', f'base_url: "{root}", options: {{max_tokens: "6"}}, {key}'),
        ('base_url: "http://10.0.0.7:8000/v1"', f'base_url: "{root}/v1", {key}'),
        ("endpoints:", f'  full: {{kind: openai, base_url: "{root}/v1", {key}}}{parrots}\nendpoints:'),
    ):
        assert written in manifest
        manifest = manifest.replace(written, ours)
    text = (
        manifest
        + """\
    retries: {backoff: 1ms}
  openai: {variants: {main: {provider: pool, model: vendor-model}}}
  claude: {variants: {main: {provider: claude, model: vendor-model}}}
  kept: {variants: {main: {provider: pool, model: vendor-model}}, cache: {exact: {ttl: 1h}}}
  guarded: {variants: {main: {provider: tgi-parrot, model: m}}, guard: {output: {pii: mask}}}
  guarded-claude: {variants: {main: {provider: anthropic-parrot, model: m}}, guard: {output: {pii: mask}}}
  full: {variants: {main: {provider: full, model: vendor-model}}}
"""
    )
    folder = tmp_path_factory.mktemp("wires")
    (folder / "prompts").mkdir()
    (folder / "prompts" / "v1.md").write_text(PROMPT)
    for name, vendor in (("openai", "pool"), ("claude", "claude"), ("full", "full")):
        text += f"  prompted-{name}: {{variants: {{main: {{provider: {vendor}, model: m, prompt: support@v1}}}}}}\n"
    with running(text + "prompts: {support: {source: ./prompts/}}\n", folder=folder) as started:
        yield started


@pytest.fixture(autouse=True)
def fresh(provider: DevProvider) -> None:
    provider.fails()


@pytest.fixture(scope="package")
def chat(site: Site) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{site.public}/v1", api_key=site.key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="package")
def claude(site: Site) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=site.public, api_key=site.key, max_retries=0) as client:
        yield client
