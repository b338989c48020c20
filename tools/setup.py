"""Set the machine up for `make`: a virtual environment with the pinned packages, and the libraries Qt needs.

Uses the standard library only, since nothing is installed yet. A stamp in the environment holds a hash of everything
the set-up depends on, so that repeating it costs a fraction of a second.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
PROJECT = ROOT / "pyproject.toml"
CONSTRAINTS = ROOT / "constraints" / f"py{sys.version_info.major}{sys.version_info.minor}.txt"

# Where Debian and Ubuntu keep what PyQt6's window plugin links to (`ldd`), and what OpenGL and tests load by name.
DEBIAN_PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libGLX.so.0": "libglx0",
    "libGLX_mesa.so.0": "libglx-mesa0",
    "libOpenGL.so.0": "libopengl0",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libX11.so.6": "libx11-6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "Xvfb": "xvfb",
    "xauth": "xauth",
    "fc-match": "fontconfig",
}
LOADED_BY_NAME = ("libGL.so.1", "libEGL.so.1", "libGLX_mesa.so.0")
COMMANDS = ("Xvfb", "xauth", "fc-match")


def main() -> int:
    """Set up what is missing; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--window", choices=["required", "optional"], help="whether to fail without Qt's libraries")
    window_required = parser.parse_args().window == "required"
    if sys.version_info < (3, 11):  # noqa: UP036 - this is where an older one is told
        found = ".".join(map(str, sys.version_info[:3]))
        return fail(
            f"Python 3.11 or newer is needed, {sys.executable} is {found}; name another: make PYTHON=python3.11"
        )
    try:
        install_packages()
    except subprocess.CalledProcessError as error:
        return fail(f"The set-up stopped at: {' '.join(map(str, error.cmd[:5]))} ... The lines above say why.")
    missing = missing_for_window()
    if missing:
        install_system_packages(missing)
        missing = missing_for_window()
    if missing:
        explain(missing)
    return 1 if missing and window_required else 0


def install_packages() -> None:
    """Create the environment and install the project, its window extra and its development tools, unless stamped."""
    stamp = ENVIRONMENT / "setup-stamp"
    wanted = hashlib.sha256(f"{ROOT} {sys.version}".encode())
    for path in (PROJECT, CONSTRAINTS, Path(__file__)):
        wanted.update(path.read_bytes() if path.exists() else b"")
    if stamp.exists() and stamp.read_text() == wanted.hexdigest():
        return
    say(f"Installing into {ENVIRONMENT.name} (about two minutes and 2 GB, once)")
    create_environment()
    environment = dict(os.environ)
    if CONSTRAINTS.exists():
        # Through the variable the pins hold for the build backend too, which `-c` does not reach.
        environment["PIP_CONSTRAINT"] = str(CONSTRAINTS)
    else:
        say(f"There are no pins for this Python ({CONSTRAINTS.name}); the newest versions that fit are taken.")
    import tomllib  # here, so that an older Python reaches the sentence in `main`

    tools = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--editable", f"{ROOT}[all]", *tools], check=True, env=environment)
    stamp.write_text(wanted.hexdigest())


def create_environment() -> None:
    """Create `.venv` unless it works already and was made by this version of Python."""
    made_by_this = "import sys; sys.exit(sys.version_info[:2] != ({}, {}))".format(*sys.version_info[:2])
    if runs([PYTHON, "-c", made_by_this]) and runs([PYTHON, "-m", "pip", "--version"]):
        return
    try:
        venv.EnvBuilder(with_pip=True, clear=True, symlinks=os.name != "nt").create(ENVIRONMENT)
    except (ImportError, subprocess.CalledProcessError):
        say("This Python cannot make a virtual environment; on Debian or Ubuntu: sudo apt-get install python3-venv")
        raise


def missing_for_window() -> list[str]:
    """Return the libraries and commands that a Qt window, or a test of one, lacks on this Linux machine."""
    if not sys.platform.startswith("linux"):
        return []
    plugins = sorted(ENVIRONMENT.glob("lib/python*/site-packages/PyQt6/Qt6/plugins/platforms/libqxcb.so"))
    linked = subprocess.run(["ldd", *plugins], capture_output=True, text=True, check=False).stdout if plugins else ""
    missing = {line.split()[0] for line in linked.splitlines() if "not found" in line}
    known = subprocess.run([ldconfig(), "-p"], capture_output=True, text=True, check=False).stdout
    missing.update(name for name in LOADED_BY_NAME if f"\t{name} " not in known)
    missing.update(name for name in COMMANDS if shutil.which(name) is None)
    return sorted(missing)


def install_system_packages(missing: Sequence[str]) -> None:
    """Install Debian's packages for `missing` where apt and the right to use it are at hand."""
    packages = debian_packages(missing)
    rights = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not packages or not shutil.which("apt-get") or (rights and not runs([*rights, "true"])):
        return
    say(f"Installing for Qt with apt-get: {' '.join(packages)}")
    apt = [*rights, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    # A list that cannot be refreshed may still be good enough; the check that follows decides.
    runs([*apt, "update"])
    runs([*apt, "install", "--yes", "--no-install-recommends", *packages])


def explain(missing: Sequence[str]) -> None:
    """Say what is missing and how to install it."""
    packages = debian_packages(missing)
    how = f"On Debian or Ubuntu: sudo apt-get install {' '.join(packages)}" if packages else "Install what holds them."
    say(f"A napari window and its tests lack {', '.join(missing)}. {how}")


def debian_packages(missing: Sequence[str]) -> list[str]:
    """Return the packages that hold `missing`, each once."""
    return sorted({DEBIAN_PACKAGES[name] for name in missing if name in DEBIAN_PACKAGES})


def ldconfig() -> str:
    """Return where ldconfig is: outside the search path of most users."""
    return shutil.which("ldconfig") or shutil.which("ldconfig", path="/usr/sbin:/sbin") or "ldconfig"


def runs(command: Sequence[str | Path]) -> bool:
    """Return whether `command` ends with success; its output is not shown."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def say(sentence: str) -> None:
    """Tell what is done now."""
    sys.stderr.write(f"{sentence}\n")


def fail(sentence: str) -> int:
    """Tell what went wrong; return the exit status 1."""
    say(sentence)
    return 1


if __name__ == "__main__":
    sys.exit(main())
