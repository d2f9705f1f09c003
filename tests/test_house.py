"""The architecture, asserted: layers, edges, budgets, public names, the README's tree, a quick ``--help``."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import genus

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "genus"
MODULES = {
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
LAYERS = [  # a module imports only from layers below its own
    {"types", "errors", "files", "probabilities", "evidence", "demo"},
    {"data", "models"},
    {"description", "bundle", "engine", "predictor"},
    {"training", "evaluation", "explanation", "report", "features"},
    {"workflows", "run", "stored", "config"},
    {"cli", "api", "__main__", ""},
]
WITHIN_LAYER = {  # the only edges inside a layer: from a module, or a file of data, models, workflows, to others
    "": "api",
    "__main__": "cli",
    "bundle": "description",
    "demo": "errors files types",
    "evidence": "types",
    "files": "errors",
    "predictor": "bundle engine",
    "run": "config stored",
    "data.augment": "data.decode data.preprocess",
    "data.bmp": "data.colour",
    "data.checks": "data.catalog data.decode data.facts data.folds data.groups data.inspect data.leaks data.loader "
    "data.preprocess data.split",
    "data.columns": "data.formats data.layout",
    "data.decode": "data.colour data.formats data.preprocess data.readers",
    "data.exif": "data.tiff",
    "data.find": "data.formats",
    "data.folder": "data.catalog data.formats data.layout data.table data.walk",
    "data.facts": "data.formats data.header",
    "data.header": "data.bmp data.exif data.formats data.heif data.jpeg data.tiff",
    "data.inspect": "data.catalog data.decode data.facts data.loader data.preprocess",
    "data.leaks": "data.groups data.split",
    "data.layout": "data.formats data.walk",
    "data.loader": "data.augment",
    "data.png": "data.colour",
    "data.readers": "data.bmp data.colour data.png data.tiff",
    "data.split": "data.folds data.groups data.inspect",
    "data.table": "data.catalog data.columns data.formats data.layout",
    "data.tiff": "data.colour",
    "data.walk": "data.catalog data.formats",
    "models.swin": "models.attention",
    "models.vit": "models.attention",
    "models.checkpoint": "models.layouts",
    "models.weights": "models.checkpoint models.layouts models.registry models.swin models.vit",
    "workflows.check": "workflows.examine workflows.tasks",
    "workflows.compare": "workflows.dataset workflows.scoring",
    "workflows.dataset": "workflows.examine",
    "workflows.demo": "workflows.dataset workflows.predict workflows.tasks workflows.train",
    "workflows.evaluate": "workflows.dataset workflows.reporting workflows.scoring workflows.tasks",
    "workflows.explain": "workflows.predict workflows.reporting",
    "workflows.predict": "workflows.tasks",
    "workflows.reporting": "workflows.dataset workflows.scoring",
    "workflows.scoring": "workflows.dataset",
    "workflows.tasks": "workflows.dataset workflows.examine",
    "workflows.train": "workflows.dataset workflows.reporting workflows.scoring workflows.tasks",
}
ROOMS = {  # inside these, a file imports only from those before it
    "data.checks": "alignment candidates near_copies series links finding labels repeats files pictures shortcuts "
    "plan table",
    "workflows.tasks": "compute starting_point features fine_tune head full partial out_of_fold cross_validation "
    "calibrate pretrained studies learning",
    "workflows.reporting": "explanations pictures findings sections words report",
}
MOST_IMPORTS = 14  # of genus, in one module
TORCH_FREE = (
    "genus",
    "genus.cli.app",
    "genus.config",
    "genus.types",
    "genus.errors",
    "genus.files",
    "genus.demo",
    "genus.data.header",
)


def imports(path: Path, *, at_run_time: bool = False) -> set[str]:
    """The genus modules that a file imports; ``at_run_time`` leaves out what only the type checker sees."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if at_run_time and id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return {name for name in found if name in MODULES}


EDGES = {(module, target) for module, path in MODULES.items() for target in imports(path)}


def unit(module: str) -> str:
    """``genus.training.head`` -> ``training``; files of data/, models/ and workflows/ count one by one, but for those
    of a room inside them, ``workflows.tasks``."""
    parts = module.split(".")[1:]
    if not parts:
        return ""
    return ".".join(parts[:2]) if parts[0] in ("data", "models", "workflows") else parts[0]


def layer(module: str) -> int:
    top = unit(module).split(".")[0]
    return next(index for index, members in enumerate(LAYERS) if top in members)


def test_every_import_points_down_or_along_an_allowed_edge() -> None:
    wrong, used = [], set()
    for module, target in sorted(EDGES):
        source, goal = unit(module), unit(target)
        if source == goal or layer(module) > layer(target):
            continue
        if source.startswith("models.") and goal in ("models.backbone", "models.layers"):
            continue
        if source == "models.registry" and goal.startswith("models."):
            continue
        if source.startswith("workflows.") and goal in ("run", "stored", "config"):
            continue
        if goal not in WITHIN_LAYER.get(source, "").split():
            wrong.append(f"{module} -> {target}")
        used.add((source, goal))
    assert not wrong
    assert used == {(source, goal) for source, goals in WITHIN_LAYER.items() for goal in goals.split()}
    assert len(EDGES) > 100  # the test sees the program


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_reads_in_one_order(room: str) -> None:
    order = ROOMS[room].split()
    inside = f"genus.{room}."
    assert sorted(order) == sorted(module.removeprefix(inside) for module in MODULES if module.startswith(inside))
    assert not [
        (module, target)
        for module, target in EDGES
        if module.startswith(inside)
        and target.startswith(inside)
        and order.index(target.removeprefix(inside)) >= order.index(module.removeprefix(inside))
    ]


def test_data_and_models_never_meet() -> None:
    assert not [edge for edge in EDGES if {unit(name).split(".")[0] for name in edge} == {"data", "models"}]


def test_tasks_do_not_know_each_other() -> None:
    tasks = LAYERS[3]
    assert not [
        (module, target)
        for module, target in EDGES
        if unit(module) in tasks and unit(target) in tasks and unit(module) != unit(target)
    ]


def test_there_is_no_import_cycle() -> None:
    left = {module: {t for m, t in EDGES if m == module and t != module} for module in MODULES}
    while free := [module for module, targets in left.items() if not targets & left.keys()]:
        for module in free:
            del left[module]
    assert not left


def test_budgets() -> None:
    too_long = []
    for path in MODULES.values():
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 400:
            too_long.append(str(path))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60:
                too_long.append(f"{path}: {node.name}")
    assert not too_long
    assert max(Counter(module for module, _ in EDGES).values()) <= MOST_IMPORTS


def test_nothing_can_run_code_from_files_and_only_the_command_line_prints() -> None:
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name.split(".")[0] for alias in node.names} | {getattr(node, "module", "") or ""}
                assert not names & {"pickle", "dill", "joblib", "marshal", "shelve"}, module
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "os.system"), module
                assert called != "print" or module.startswith("genus.cli"), module
                if called == "torch.load":
                    assert any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)


def test_public_names() -> None:
    assert len(genus.__all__) <= 12
    assert sorted(genus.__all__) == list(genus.__all__)
    for name in genus.__all__:
        assert getattr(genus, name) is not None
    with pytest.raises(AttributeError):
        genus.no_such_name  # noqa: B018


def test_version_and_changelog_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert genus.__version__ == version
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == version


def test_readme_shows_the_tree_as_it_is() -> None:
    block = re.search(r"```\nsrc/genus/\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block
    listed = {line.split()[0].rstrip("/") for line in block[1].splitlines() if line.strip()}
    real = {path.name for path in SOURCE.iterdir() if path.name not in ("__pycache__", "py.typed")}
    assert listed == real


@pytest.mark.parametrize("module", TORCH_FREE)
def test_torch_stays_out(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_comes_without_torch_matplotlib_and_the_hub() -> None:
    heavy = ("torch", "matplotlib", "sklearn", "huggingface_hub", "numpy")
    code = (
        "import sys\nfrom genus.cli.app import run\nrun(['train', '--help'])\n"
        f"found = [name for name in {heavy!r} if name in sys.modules]\nsys.exit(f'loaded {{found}}' if found else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_every_module_imports() -> None:
    for module in MODULES:
        if module != "genus.__main__":
            importlib.import_module(module)


def test_benchmarks_take_what_is_there() -> None:
    """They run by hand and rarely: a name that has moved would be noticed months later."""
    for path in (ROOT / "benchmarks").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "genus":
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    assert hasattr(module, alias.name) or f"{node.module}.{alias.name}" in MODULES, (path, alias.name)
