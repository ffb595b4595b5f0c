"""Where the configuration lives, for every entry point of the package."""

from pathlib import Path


def config_dir() -> str:
    """Return the absolute path of `conf/`: inside an installed package, beside it in a checkout.

    Raises:
        FileNotFoundError: neither place holds it.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return str(folder)
    raise FileNotFoundError(f"no conf/train.yaml inside or beside {package}")
