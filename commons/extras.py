"""Which extra of the distribution installs a package that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from traceback import walk_tb

DISTRIBUTION = "mlpf-hpo"
# Modules by extra, as pyproject.toml has them.
EXTRAS = {
    "postgresql": ("psycopg",),
    "grpc": ("grpc", "google"),
    "redis": ("redis",),
    "gp": ("torch", "scipy"),
    "qsvr": ("sklearn", "scipy", "dimod", "dwave"),
    "qpu": ("dwave.system", "dwave.cloud"),
    "cmaes": ("cmaes",),
    "mlpf": ("torch", "pytorch_lightning", "torchmetrics", "pyarrow", "tensorboard"),
    "simulation": ("pythia8mc", "awkward"),
    "jets": ("fastjet", "awkward"),
    "root": ("uproot", "awkward"),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "gravnet": ("torch_geometric",),
    "dashboard": ("optuna_dashboard",),
    "notebook": ("pandas",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
}


def missing_module(error: BaseException) -> str | None:
    """Return the module that could not be found, if that has caused an error."""
    failed = _failed_import(error)
    return None if failed is None else failed.name


def importer(error: BaseException) -> str | None:
    """Return the last module with an extra of its own on the way to a failed import.

    `hpo.LadderPruner`, for example, needs scipy because `qsvr` does.
    """
    failed = _failed_import(error)
    frames = walk_tb(failed.__traceback__) if failed is not None else ()
    names = [str(frame.f_globals.get("__name__", "")) for frame, _ in frames]
    return next((name for name in reversed(names) if name.partition(".")[0] in EXTRAS), None)


def remedy(module: str, needed_by: str = "") -> str:
    """Say how to install a missing module.

    `needed_by` is what asked for it, for example `qsvr.QSVRPruner`: several extras have scipy.

    >>> remedy("sklearn.svm"), remedy("somewhere.else")
    ("pip install 'mlpf-hpo[qsvr]'", 'pip install somewhere')
    """
    package = needed_by.partition(".")[0]
    names = [name for name, modules in EXTRAS.items() if _is_in(module, modules)]
    if package in names:
        names.insert(0, package)
    if "qpu" in names:  # the other extras lack these modules
        names.insert(0, "qpu")
    if not names:
        return f"pip install {module.partition('.')[0]}"
    return f"pip install '{DISTRIBUTION}[{names[0]}]'"


def _is_in(module: str, modules: tuple[str, ...]) -> bool:
    return any(module == known or module.startswith(f"{known}.") for known in modules)


def _failed_import(error: BaseException) -> ModuleNotFoundError | None:
    for cause in _causes(error):
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            return cause
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
