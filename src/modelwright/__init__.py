"""Modelwright takes AI models and LLM applications to production and keeps them there.

This is the front door for programs that import the package: it is lazy, so importing it does nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright.adapters.engines.converting.sklearn import save_sklearn
    from modelwright.adapters.engines.custom.files import File
    from modelwright.adapters.engines.custom.tensors import Tensor
    from modelwright.app.manifest.load import load_manifest
    from modelwright.core.errors.calls import Unprocessable
    from modelwright.core.errors.tree import ModelwrightError

__version__ = "0.1.0"
__all__ = ["File", "ModelwrightError", "Tensor", "Unprocessable", "__version__", "load_manifest", "save_sklearn"]

_HOMES = {
    "File": "modelwright.adapters.engines.custom.files",
    "ModelwrightError": "modelwright.core.errors.tree",
    "Tensor": "modelwright.adapters.engines.custom.tensors",
    "Unprocessable": "modelwright.core.errors.calls",
    "load_manifest": "modelwright.app.manifest.load",
    "save_sklearn": "modelwright.adapters.engines.converting.sklearn",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use."""
    from importlib import import_module  # noqa: PLC0415 - importing the package must import nothing else

    if name not in _HOMES:
        raise AttributeError(f"module 'modelwright' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
