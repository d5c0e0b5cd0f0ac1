"""Where the YAML files are and which options each config group has."""

from pathlib import Path


def conf_dir() -> Path:
    """Return the folder of the YAML files: inside the wheel, or beside the package."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def option_names() -> dict[str, list[str]]:
    """Return synth's own config groups with their options, sorted: ``{"model": [...], …}``."""
    root = conf_dir()
    return {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
        for folder in sorted(root.iterdir())
        if folder.is_dir() and folder.name not in ("hydra", "local")
    }


def samples_dir() -> Path:
    """Return the folder of the sample documents: inside the wheel, or in the checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "examples"
    return inside if inside.is_dir() else package.parent / "examples" / "documents"
