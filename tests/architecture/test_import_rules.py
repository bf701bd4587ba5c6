"""The import rules of pyproject.toml (import-linter) hold, and can fail."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lint_imports(cwd: Path, config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--config", config],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_services_never_import_each_other_and_the_domain_imports_nothing_but_contracts() -> None:
    result = lint_imports(ROOT, ROOT / "pyproject.toml")

    assert result.returncode == 0, result.stdout + result.stderr


def test_a_domain_that_imports_a_driver_is_caught(tmp_path: Path) -> None:
    for package in ("services", "shared"):
        for source in (ROOT / package).rglob("*.py"):
            copy = tmp_path / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "services/command/domain/leak.py").write_text(
        "import asyncpg\nimport services.query\n", encoding="utf-8"
    )

    result = lint_imports(tmp_path, ROOT / "pyproject.toml")

    assert result.returncode != 0
    assert "services.command.domain.leak" in result.stdout


def test_the_domain_imports_only_contracts_and_the_standard_library() -> None:
    domain = ROOT / "services/command/domain"
    strangers = {
        f"{source.name}: {module}"
        for source in domain.rglob("*.py")
        for module in imported_modules(source)
        if not module.startswith(("shared.contracts", "services.command.domain"))
        and module.split(".")[0] not in sys.stdlib_module_names
    }

    assert strangers == set()


def imported_modules(source: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "." * node.level)
    return modules
