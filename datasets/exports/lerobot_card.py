"""The dataset card (README.md) of a LeRobot export: what the Hugging Face Hub shows of it, licence first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bodydouble.datasets.exports import lerobot_features


def write_card(out: Path, index: Mapping[str, Any], version: str) -> None:
    """Write ``README.md`` from the export's index."""
    episodes = index["episodes"]
    licences = list(dict.fromkeys(entry["licence"] or "none recorded" for entry in episodes))
    grades = ", ".join(f"{count} of grade {grade}" for grade, count in sorted(Counter(entry["grade"] for entry in episodes).items()))
    privacy = ", ".join(f"{count} {state}" for state, count in sorted(Counter(entry["privacy"] for entry in episodes).items()))
    unconsented = sum(bool(entry["unconsented"]) for entry in episodes)
    licence = licences[0].lower() if len(licences) == 1 and licences[0] != "none recorded" else "other"
    lines = [
        "---", f"license: {_quoted(licence)}", "task_categories:", "- robotics", "tags:", "- LeRobot", "configs:", "- config_name: default",
        "  data_files: data/*/*.parquet", "---", "",
        f"# {index['robot']}: {len(episodes)} episode{'s' if len(episodes) != 1 else ''}", "",
        f"LeRobot {version} dataset, made by bodydouble {index['bodydouble']} from people showing a task. {index['rate_hz']:g} frames a second.", "",
        f"- Licence of the episodes: {', '.join(licences)}", f"- Quality: {grades}", f"- Faces in the images: {privacy}",
        f"- Exported without recorded consent or licence: {unconsented} episode{'s' if unconsented != 1 else ''}", "",
        "Consent, licence, source, quality and provenance of each episode are in `bodydouble_export.json`.", "",
        *(line for line in (lerobot_features.__doc__ or "").splitlines() if line.startswith("|")),
    ]  # fmt: skip
    (out / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _quoted(text: str) -> str:
    return text if all(sign.isalnum() or sign in "-._+" for sign in text) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
