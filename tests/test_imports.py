"""The house rules of imports, read from the source: who may know whom, and what must not be loaded for `--help`."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ("models", "engine", "app")
"""Each may import itself and what is before it."""
BASE = ("types", "world", "files")
"""Single files at the bottom of models, which every part may import."""
DISK = ("checkpoint", "library")
"""Single files above them for worlds on disk, which no part but training needs."""
BELOW = {
    "nn": {"nn"},
    "diffusion": {"diffusion", "nn"},
    "data": {"data"},
    "envs": {"envs"},
    "policies": {"policies", "diffusion", "nn"},
}
"""Which parts of models a part may import, BASE aside. Any other folder but training is a family."""
FAMILY_MAY = {"diffusion", "nn"}
PIPELINES = {"training", "study"}
"""Parts at the top of models, which know all others: what trains worlds, and what finds out where they err."""
ONLY_IN = {
    "pygame": ("app/desktop/",),
    "gymnasium": ("models/envs/", "engine/gym/", "engine/gym.py"),
    "ale_py": ("models/envs/", "app/commands/doctor.py"),
    **dict.fromkeys(("vizdoom", "crafter", "dm_control", "mujoco", "Box2D"), ("models/envs/",)),
    "gradio": ("app/web/",),
    "fastapi": ("app/web/",),
    "starlette": ("app/web/",),
    "uvicorn": ("app/web/",),
    "websockets": ("app/web/",),
    "asyncio": ("app/web/",),
    "tyro": ("app/", "models/training/options.py"),
    "matplotlib": ("engine/figures.py", "engine/plots.py", "engine/sheet.py", "models/study/"),
    "plotly": ("app/web/",),
}
HEAVY = (
    *("torch", "pygame", "gymnasium", "ale_py", "cv2", "numpy", "imageio_ffmpeg"),
    *("matplotlib", "plotly", "gradio", "fastapi", "starlette", "uvicorn", "websockets"),
)


def sources() -> list[str]:
    return sorted(str(p.relative_to(ROOT).as_posix()) for top in HOUSE for p in (ROOT / top).rglob("*.py"))


@cache
def imports(source: str) -> frozenset[str]:
    """The full names a file imports anywhere, inside functions too."""
    return frozenset(find_imports(source))


def find_imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / source).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: got a relative import, expected absolute ones only"
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def part(name: str) -> str:
    """The part of models that a path models/PART/... or a module models.PART... belongs to."""
    return name.replace("/", ".").removesuffix(".py").split(".")[1]


def test_there_is_something_to_check() -> None:
    """Catches: a rule that holds because the files were not found."""
    assert len(sources()) > 50
    assert "models.types" in imports("models/world.py")


@pytest.mark.parametrize("source", sources())
def test_app_imports_engine_imports_models(source: str) -> None:
    """Catches: a model that knows of play, or an engine that knows of a window."""
    allowed = HOUSE[: HOUSE.index(source.split("/")[0]) + 1]
    wrong = {name for name in imports(source) if name.split(".")[0] in (*HOUSE, "tests")}
    wrong = {name for name in wrong if name.split(".")[0] not in allowed}
    assert not wrong, f"{source}: got imports {sorted(wrong)}, expected {allowed} only"


@pytest.mark.parametrize("source", [s for s in sources() if s.startswith("models/") and s.count("/") > 1])
def test_inside_models(source: str) -> None:
    """Catches: a family that reads files or another family, layers that know a family, data that knows an
    environment."""
    mine = part(source)
    if mine in PIPELINES:
        return
    allowed = BELOW.get(mine, {mine, *FAMILY_MAY})
    found = {part(name) for name in imports(source) if name.startswith("models.")}
    assert found <= allowed | set(BASE), (
        f"{source}: got {sorted(found - allowed - set(BASE))}, expected {sorted(allowed)}"
    )


@pytest.mark.parametrize("name", [*BASE, *DISK])
def test_the_base_imports_the_base_only(name: str) -> None:
    """Catches: the contract depending on one of its implementations; a new single file without a place in the rules."""
    found = {part(module) for module in imports(f"models/{name}.py") if module.startswith("models.")}
    assert found <= {*BASE, *(DISK if name in DISK else ())}
    assert {source.stem for source in (ROOT / "models").glob("*.py")} == {"__init__", *BASE, *DISK}


@pytest.mark.parametrize("library", ONLY_IN)
def test_libraries_stay_in_their_place(library: str) -> None:
    """Catches: a window or an environment library that becomes a dependency of everything."""
    users = {s for s in sources() if any(name.split(".")[0] == library for name in imports(s))}
    wrong = {s for s in users if not s.startswith(ONLY_IN[library])}
    assert not wrong, f"got {library} imported in {sorted(wrong)}, expected {ONLY_IN[library]} only"


def test_families_are_named_in_few_places() -> None:
    """Catches: a face or a controller made for one family, which the next family would not have."""
    families = {part(s) for s in sources() if s.startswith("models/") and s.count("/") > 1} - {*PIPELINES, *BELOW}
    allowed = (
        "models/library.py",
        "models/policies/disk.py",
        "models/training/",
        "models/study/",
        *(f"models/{family}/" for family in families),
    )
    text = {source: (ROOT / source).read_text(encoding="utf-8") for source in sources()}
    named = {source for source, code in text.items() if any(f"models.{family}" in code for family in families)}
    assert "models/library.py" in named
    assert not (wrong := {source for source in named if not source.startswith(allowed)}), f"got families in {wrong}"


@pytest.mark.parametrize("module", ["app.cli", "models.training.options"])
def test_help_needs_nothing_heavy(module: str) -> None:
    """Catches: `reverie --help` taking seconds because a heavy library is imported along the way."""
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout.split() == [], f"got {out.stdout.split()} imported by {module}, expected none of them"
