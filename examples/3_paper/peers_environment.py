"""Make a virtual environment in which the peers of `peers.py` are installed beside the package.

    python examples/3_paper/peers_environment.py peers-env

DiCE and NICE need an older numpy and pandas than the package is tested with, so they get an environment of their own;
one fitted classifier can then be explained by all methods in one process. Downloads up to a few gigabytes (on Linux,
pip fetches torch with its CUDA libraries) and prints how to run the scripts that use it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]

# One call of pip for each line. torch goes first, so that a build that is there already is kept.
INSTALLS = (
    ["torch==2.13.0"],
    [str(REPOSITORY), "numpy<2", "pandas<3", "dice-ml==0.12", "catboost", "matplotlib"],
    # Its metadata ask for pandas before 2.0, its code does not.
    ["--no-deps", "NICEx==0.2.3"],
)

# Fails where a peer was installed but can't be used, and says which versions were chosen.
CHECK = """
from runs import about
from peers import LEFT_OUT, METHODS
print(about()["versions"])
assert not LEFT_OUT, f"not usable: {LEFT_OUT}"
print("methods:", *METHODS)
"""


def python_of(folder: Path) -> Path:
    """Return the interpreter of the virtual environment in `folder`."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def make(folder: Path) -> Path:
    """Make the environment, check it, and return its interpreter."""
    venv.create(folder, with_pip=True)
    python = python_of(folder)
    for packages in INSTALLS:
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    subprocess.run([python, "-c", CHECK], check=True, cwd=HERE)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to make the environment")
    # Not resolved: the interpreter is a link, and what it links to has none of the packages.
    python = make(parser.parse_args().folder.absolute())
    for script in ("benchmark.py", "timing.py"):
        print(f"{python} {HERE / script} --data FOLDER --output FOLDER")


if __name__ == "__main__":
    main()
