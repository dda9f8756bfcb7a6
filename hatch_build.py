"""What a package index shows of the README: the same text, its links made absolute.

An index shows no file of the repository, so relative links and pictures lead nowhere there.
A release names its repository in LIFECYCLE_REPOSITORY (`https://host/owner/name`); any other
build keeps the README as it is.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

TARGET = re.compile(r'((?:\]\(|src="|srcset="))(?!https?:|#)([^)"\s]+)')


def absolute(text: str, repository: str, version: str) -> str:
    """Return a README whose links lead to a version's files in a repository."""

    def link(found: re.Match[str]) -> str:
        before, path = found.groups()
        how = "raw" if path.endswith((".svg", ".png")) else "blob"
        return f"{before}{repository.rstrip('/')}/{how}/v{version}/{path}"

    return TARGET.sub(link, text)


class CustomMetadataHook(MetadataHookInterface):
    """Adds the README and, where the repository is known, its addresses to the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in the fields that `pyproject.toml` leaves to the build."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["urls"] = {}
        if repository := os.environ.get("LIFECYCLE_REPOSITORY"):
            text = absolute(text, repository, metadata["version"])
            changes = f"{repository}/blob/v{metadata['version']}/CHANGELOG.md"
            metadata["urls"] = {"Repository": repository, "Changelog": changes}
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
