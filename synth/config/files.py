"""Where the YAML files are and which options each config group has."""

from pathlib import Path


def conf_dir() -> Path:
    """Return the folder of the YAML files: inside the wheel, or beside the package."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def option_names(own: Path | None = None) -> dict[str, list[str]]:
    """Return the config groups with their options, sorted: ``{"model": ["llama3b", …], …}``.

    Args:
        own: a folder of the user's with more of them (``--config-dir``).
    """
    files = [
        file.relative_to(root)
        for root in filter(None, (conf_dir(), own))
        for file in root.glob("*/*.yaml")
    ]
    groups = sorted({file.parent.name for file in files} - {"hydra", "local"})
    return {
        group: sorted({file.stem for file in files if file.parent.name == group})
        for group in groups
    }


def samples_dir() -> Path:
    """Return the folder of the sample documents: inside the wheel, or in the checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "examples"
    return inside if inside.is_dir() else package.parent / "examples" / "documents"
