"""Images of Modelwright itself: the gateway (which is the keeper, too), and serving with what engines need."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelwright.core.deploying.images import Recipe
from modelwright.core.deploying.places import SITE
from modelwright.deploy.images.dockerfile import (
    HEAD,
    PYTHON,
    QUIET,
    USER,
    build_step,
    dockerfile,
    ending,
    entry_step,
    env,
    health,
)

CODE = "/opt/modelwright"
PORT = 8000
CUDA = "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04"
"""Where a model computes on an NVIDIA GPU."""
UNTESTED = "# Not tested here: no machine of the tests has a GPU."
REQUIREMENTS = "requirements.txt"
_NOT_RUN = ("*.pyi", "*.pyx", "*.pxd", "*.c", "*.cpp", "*.h")
_TOOLBOX = ("transformers", "quantization", "tools", "capi/libonnxruntime.so.*")
"""Of ONNX Runtime: what prepares models, and a copy of the library for programs in C."""
_HEALTHY = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/healthz', timeout=4)"


class Flavour(msgspec.Struct, frozen=True, kw_only=True):
    """What a Modelwright image holds beside the gateway."""

    extras: tuple[str, ...] = ()
    """Of this package; sorted."""
    packages: tuple[str, ...] = ()
    """What no extra brings; no lock knows them."""
    cuda: bool = False

    @property
    def name(self) -> str:
        """`gateway`, or `serving-` with what it holds."""
        words = (*self.extras, *self.packages, *(("cuda",) if self.cuda else ()))
        return "-".join(("serving", *words)) if words else "gateway"


def own_recipe(flavour: Flavour, *, name: str, version: str, base: str, wheel: tuple[str, bytes], lock: str) -> Recipe:
    """`wheel` is this package as (file name, content), `lock` the requirements of the flavour's extras."""
    base = CUDA if flavour.cuda else base
    text = dockerfile(*_stages(flavour, base, wheel[0]))
    if flavour.cuda:
        text = text.replace(HEAD, f"{HEAD}\n{UNTESTED}")
    return Recipe(
        name=name,
        repository=f"modelwright/{flavour.name}",
        version=version,
        dockerfile=text,
        ignore=f"*\n!{REQUIREMENTS}\n!*.whl\n",
        bases=(base,),
        files={REQUIREMENTS: lock.encode(), wheel[0]: wheel[1]},
        notices=(f"no lock knows {', '.join(flavour.packages)}",) if flavour.packages else (),
    )


def _stages(flavour: Flavour, base: str, wheel: str) -> tuple[Sequence[str], ...]:
    pip = f"pip --python {PYTHON}/bin/python install"
    first = [f"FROM {base} AS python"]
    if flavour.cuda:
        first += [
            "RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv python3-pip \\",
            "    && ln -s python3 /usr/bin/python && rm -rf /var/lib/apt/lists/*",
        ]
    return (
        first,
        (
            "FROM python AS libraries",
            f"RUN python -m venv --without-pip {PYTHON}",
            f"COPY {REQUIREMENTS} /build/",
            build_step(f"{pip} --no-deps --require-hashes --only-binary :all: -r /build/{REQUIREMENTS}"),
            *((build_step(f"{pip} {' '.join(flavour.packages)}"),) if flavour.packages else ()),
            _lean(),
        ),
        (
            "FROM libraries AS code",
            f"COPY {wheel} /build/",
            f"RUN {pip} --no-deps --no-index --target {CODE} /build/{wheel}",
        ),
        (
            "FROM python",
            f"COPY --from=libraries {PYTHON} {PYTHON}",
            entry_step(),
            f"RUN mkdir -p {SITE} && chown {USER}:{USER} {SITE}",
            f"COPY --from=code {CODE} {CODE}",
            env(
                {
                    "PATH": f"{PYTHON}/bin:{CODE}/bin:$PATH",
                    "PYTHONPATH": CODE,
                    **QUIET,
                    "HOME": SITE,
                }
            ),
            f"WORKDIR {SITE}",
            health((f"{PYTHON}/bin/python", "-c", _HEALTHY)),
            *ending(("modelwright", "up"), port=PORT),
        ),
    )


def _lean() -> str:
    """Takes away what no program in an image loads: a fifth of it."""
    named = " -o ".join(f"-name '{pattern}'" for pattern in _NOT_RUN)
    packages = f"{PYTHON}/lib/python3*/site-packages"
    return " \\\n    ".join(
        (
            f"RUN find {PYTHON} -type d -name tests -prune -exec rm -rf {{}} + &&",
            f"find {PYTHON} -type f \\( {named} \\) -delete &&",
            f"rm -rf {' '.join(f'{packages}/onnxruntime/{name}' for name in _TOOLBOX)}",
        )
    )
