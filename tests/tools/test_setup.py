from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "setup.py"


@pytest.fixture
def setup(monkeypatch, tmp_path):
    """Return the set-up script as a module that works in a folder of its own and starts no program."""
    spec = importlib.util.spec_from_file_location("setup_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(module, "create_environment", lambda: (tmp_path / ".venv").mkdir(exist_ok=True))
    module.started = []

    def start(command, **_):
        module.started.append([str(word) for word in command])
        return subprocess.CompletedProcess(command, 0, stdout=module.answers.get(Path(command[0]).name, ""))

    module.answers = {}
    monkeypatch.setattr(module.subprocess, "run", start)
    return module


def installs(setup) -> list[list[str]]:
    return [command for command in setup.started if "install" in command]


def test_packages_are_installed_once_and_again_when_a_pin_changes(setup, monkeypatch, tmp_path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text("numpy==2.4.6")
    monkeypatch.setattr(setup, "CONSTRAINTS", pins)
    setup.install_packages()
    setup.install_packages()
    assert len(installs(setup)) == 1
    assert any(word.endswith("[all]") for word in installs(setup)[0])
    assert any(word.startswith("pytest") for word in installs(setup)[0])
    pins.write_text("numpy==2.4.7")
    setup.install_packages()
    assert len(installs(setup)) == 2


def test_what_a_window_lacks_is_named_with_its_packages(setup, monkeypatch, capsys) -> None:
    plugins = setup.ENVIRONMENT / "lib/python3.11/site-packages/PyQt6/Qt6/plugins/platforms"
    plugins.mkdir(parents=True)
    (plugins / "libqxcb.so").touch()
    setup.answers["ldd"] = "\tlibxcb-icccm.so.4 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n"
    setup.answers["ldconfig"] = "\tlibGL.so.1 (libc6) => /lib/libGL.so.1\n\tlibEGL.so.1 (libc6) => /lib/libEGL.so.1\n"
    monkeypatch.setattr(setup.sys, "platform", "linux")
    found = {"ldconfig": "ldconfig", "xauth": "xauth", "fc-match": "fc-match"}
    monkeypatch.setattr(setup.shutil, "which", lambda name, path=None: found.get(name))
    missing = setup.missing_for_window()
    assert missing == ["Xvfb", "libGLX_mesa.so.0", "libxcb-icccm.so.4"]
    setup.explain(missing)
    assert "sudo apt-get install libglx-mesa0 libxcb-icccm4 xvfb" in capsys.readouterr().err


@pytest.mark.parametrize(("user", "sudo", "installed"), [(0, False, True), (1000, True, True), (1000, False, False)])
def test_system_packages_are_installed_only_with_the_right_to(
    setup, monkeypatch, user: int, sudo: bool, installed: bool
) -> None:
    monkeypatch.setattr(setup.os, "geteuid", lambda: user)
    monkeypatch.setattr(setup.shutil, "which", lambda name, path=None: name)
    ran = []
    monkeypatch.setattr(setup, "runs", lambda command: ran.append(list(command)) or sudo or command[0] != "sudo")
    setup.install_system_packages(["libxcb-keysyms.so.1"])
    assert any("install" in command and "libxcb-keysyms1" in command for command in ran) is installed


@pytest.mark.parametrize(("window", "status"), [("required", 1), ("optional", 0)])
def test_only_where_a_window_is_required_its_lack_is_a_failure(setup, monkeypatch, window: str, status: int) -> None:
    monkeypatch.setattr(setup, "missing_for_window", lambda: ["Xvfb"])
    monkeypatch.setattr(setup, "install_system_packages", lambda missing: None)
    monkeypatch.setattr(setup.sys, "argv", ["setup.py", "--window", window])
    assert setup.main() == status


def test_an_older_python_is_told_which_one_is_needed(setup, monkeypatch, capsys) -> None:
    monkeypatch.setattr(setup.sys, "version_info", (3, 10, 4))
    monkeypatch.setattr(setup.sys, "argv", ["setup.py"])
    assert setup.main() == 1
    assert "Python 3.11 or newer" in capsys.readouterr().err
    assert not setup.started
