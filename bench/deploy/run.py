"""The run: images, plan, deploy and rollback by the clock; then all of it under load; then without a drain."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from bench.deploy.load import Hearing, load, stream
from bench.deploy.product import STREAM, Product, host_facts
from bench.process import scratch
from tests.making.docker_host.engine import Engine, NoEngineError, engine_for_tests
from tests.making.docker_host.images import BUSYBOX, make_images
from tests.making.docker_host.projects import LABEL

PLANS = 5
CONTAINERS = 20
"""That run on the host, at least, when a plan is timed."""
LEAST = 20_000
_MB = 1_000_000
Numbers = dict[str, Any]


def main() -> None:
    """Print what was measured; raises SystemExit when a request has failed, or when the control has lost too little."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what it has started is ended, also then
    try:
        engine = engine_for_tests()
    except NoEngineError as error:
        raise SystemExit(str(error)) from None
    print(make_images(engine.client), flush=True)
    with scratch() as folder, engine.project() as name:
        product = Product(folder, engine, name)
        numbers: Numbers = {**host_facts(engine), **_images(product), **_verbs(product)}
        whole, control = _under_load(product), _without_drain(product)
    for what, heard in (("under_load", whole), ("control", control)):
        loads = {kind: {"requests": one.requests, "failed": one.errors} for kind, one in heard.loads.items()}
        numbers[what] = {**loads, "streams": heard.streams}
    print(json.dumps(numbers, indent=1))
    print(
        f"\n{whole.requests} requests and {len(whole.streams)} streams of {STREAM} s over two deploys, a rollback, a "
        f"canary and its promotion: {whole.failed} failed\n"
        f"control, killed instead of drained: {control.failed} failed of {control.requests}"
    )
    lost = sum(one.errors for one in control.loads.values())
    if whole.failed or whole.requests < LEAST or not lost or all(came for _, came in control.streams):
        raise SystemExit(1)


def _images(product: Product) -> Numbers:
    """Sizes above what each starts from, and what an image costs whose program alone has changed."""
    first, _ = product.run("package")
    unchanged, told = product.run("package", "--json")
    product.edit("# changed\n")
    changed, _ = product.run("package", "api")
    above = {one["name"]: round(one["above"] / _MB, 1) for one in json.loads(told).values()}
    print(f"images above their base: {above} MB")
    print(f"packaged in {first:.1f} s, again in {unchanged:.1f} s, with other code {changed:.1f} s", flush=True)
    return {"mb_above_base": above, "package_s": first, "package_again_s": unchanged, "package_code_s": changed}


def _verbs(product: Product) -> Numbers:
    """Each with nothing open; a container of the same image beside it says what the engine itself takes."""
    first, _ = product.run("deploy", "--yes")
    bare = _bare(product)
    with _company(product.engine, product.name) as there:
        before = sum(os.times()[2:4])
        plans = sorted(product.run("plan")[0] for _ in range(PLANS))
        cpu = (sum(os.times()[2:4]) - before) / PLANS
    checks = sorted(product.run("check")[0] for _ in range(PLANS))
    nothing, _ = product.run("deploy", "--yes")
    told, _ = product.run("releases")
    product.change(version=2)
    one, _ = product.run("deploy", "--yes")
    product.change(version=2, scale=2)
    gateway, _ = product.run("deploy", "--yes")
    back, said = product.run("rollback", "--yes")
    plan, check = statistics.median(plans), statistics.median(checks)
    print(f"plan, nothing changed, {there} containers: {plan:.2f} s ({plan / check:.1f} × `check`), {cpu:.2f} s of CPU")
    print(f"deploy of nothing {nothing:.2f} s, releases {told:.2f} s; first deploy {first:.1f} s")
    print(
        f"bare container: {bare:.2f} s; deploy of one service {one:.1f} s ({one / bare:.1f} ×), of the gateway ", end=""
    )
    print(f"{gateway:.1f} s, rollback of the gateway {back:.1f} s ({back / bare:.1f} ×)", flush=True)
    return {
        "containers": there,
        "plan_s": plans,
        "plan_cpu_s": cpu,
        "check_s": checks,
        "deploy_nothing_s": nothing,
        "releases_s": told,
        "first_deploy_s": first,
        "bare_s": bare,
        "deploy_one_s": one,
        "deploy_gateway_s": gateway,
        "rollback_gateway_s": back,
        "rollback_gateway": [line for line in said.splitlines() if "done: " in line],
    }


def _bare(product: Product) -> float:
    """The program's image by the engine alone: run, until it answers, and stopped."""
    client, name = product.engine.client, product.name
    found = (one for one in product.engine.containers(name) if f"{name}.production.api." in str(one.name))
    image = next(found).attrs["Image"]
    begun = time.monotonic()
    made: Any = client.containers.run(
        image, environment={"VERSION": "0"}, labels={LABEL: name}, detach=True, init=True, ports={"8080/tcp": None}
    )
    made.reload()
    _answers(f"http://127.0.0.1:{made.ports['8080/tcp'][0]['HostPort']}/")
    made.stop(timeout=30)
    made.remove()
    return time.monotonic() - begun


def _answers(url: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - loopback
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(url)


@contextlib.contextmanager
def _company(engine: Engine, name: str) -> Iterator[int]:
    """As many containers as a host of several projects has; how many run."""
    missing = range(len(engine.client.containers.list(ignore_removed=True)), CONTAINERS)
    labels = {LABEL: name}
    made = [engine.client.containers.run(BUSYBOX, ["sleep", "600"], labels=labels, detach=True) for _ in missing]
    try:
        yield len(engine.client.containers.list(ignore_removed=True))
    finally:
        for container in made:
            container.remove(force=True)


def _under_load(product: Product) -> Hearing:
    """A stream is open when each change begins."""
    product.change(version=3, whole=True)
    product.run("deploy", "--at-once", "--yes")
    with load(product) as heard:
        for verb, words, change in (
            ("deploy", (), {"version": 4, "scale": 3}),
            ("deploy", (), {"version": 5, "scale": 4}),
            ("rollback", (), None),
            ("deploy", ("--canary", "25%"), {"version": 6, "scale": 5}),
            ("promote", (), None),
        ):
            if change:
                product.change(**change, whole=True)
            with stream(product, heard):
                took, _ = product.run(verb, *words, *(() if verb == "promote" else ("--yes",)))
            print(f"under load: {verb} {' '.join(words)} {took:.1f} s, {heard.streams[-1]}", flush=True)
    return heard


def _without_drain(product: Product) -> Hearing:
    """The old instances are killed as soon as the new ones have proven themselves, before traffic moves."""
    current = json.loads(product.run("releases", "--json")[1])["current"]
    product.change(version=7, whole=True, scale=5)
    with load(product) as heard, stream(product, heard):
        with product.start("deploy", "--yes") as deploy:
            for line in deploy.stdout or ():
                if "done: prove api" in line:
                    product.kill("api", current)
        if deploy.returncode:
            raise RuntimeError(f"modelwright deploy has ended with {deploy.returncode}")
    return heard
