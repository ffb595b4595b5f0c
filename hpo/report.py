"""Report on a study: `python -m hpo.report study=NAME storage=WHERE`, see `--help`."""

import sys
from types import ModuleType

from hpo import trial
from hpo.reporting import main


class _Callable(ModuleType):
    """Keeps `hpo.report(value, step)` working where this module, of the same name, is imported."""

    def __call__(self, value: float, step: int) -> None:
        trial.report(value, step)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
else:
    sys.modules[__name__].__class__ = _Callable
