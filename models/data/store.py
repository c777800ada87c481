"""A folder of episodes, train and held-out apart from birth, with an index that is only a cache of the files."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from models.data.episode import Episode, EpisodeError, EpisodeFile, EpisodeHeader, read_header
from models.files import write_atomic

SPLITS = ("train", "heldout")
HELDOUT_EVERY = 10
logger = logging.getLogger(__name__)


def split_of(number: int) -> str:
    """The split an episode is born into: every tenth is held out."""
    return "heldout" if number % HELDOUT_EVERY == HELDOUT_EVERY - 1 else "train"


@dataclass(frozen=True)
class StoreSummary:
    """Counts of one split."""

    episodes: int
    steps: int
    rewards: tuple[int, int, int]
    damaged: tuple[str, ...]


class EpisodeStore:
    """Episodes under folder/train and folder/heldout, named by number.

    The files are the truth: the index only spares reading headers again, and is rebuilt where it is missing or stale. A
    damaged file is reported and skipped.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def path(self, number: int) -> Path:
        return self.folder / split_of(number) / f"{number:06d}.safetensors"

    def add(self, number: int, episode: Episode) -> Path:
        """Write one episode atomically under its number."""
        path = self.path(number)
        episode.write(path)
        return path

    def numbers(self) -> list[int]:
        """Numbers taken, damaged files included."""
        paths = [path for split in SPLITS for path in (self.folder / split).glob("*.safetensors")]
        return sorted(int(path.stem) for path in paths if path.stem.isdigit())

    def files(self, split: str) -> list[Path]:
        """The files of a split by number, damaged ones included; nothing of them is read."""
        return sorted(path for path in (self.folder / split).glob("*.safetensors") if path.stem.isdigit())

    def scan(self, split: str) -> tuple[list[EpisodeHeader], list[str]]:
        """Headers of the intact episodes of a split by number, and the complaints about the others."""
        if split not in SPLITS:
            raise ValueError(f"split: got {split!r}, expected one of {SPLITS}")
        known, headers, damaged = self.read_index(), [], []
        for path in sorted((self.folder / split).glob("*.safetensors")):
            stat = path.stat()
            entry = known.get(f"{split}/{path.name}")
            if entry and entry["bytes"] == stat.st_size and entry["mtime"] == stat.st_mtime_ns:
                shape, rewards = tuple(entry["shape"]), tuple(entry["rewards"])
                acts = tuple(entry.get("action_shape", ()))
                headers.append(EpisodeHeader(path, entry["steps"], shape, rewards, entry["meta"], acts))
                continue
            try:
                headers.append(read_header(path))
            except EpisodeError as error:
                logger.warning("skipped a damaged episode: %s", error)
                damaged.append(str(error))
        return headers, damaged

    def episodes(self, split: str) -> list[EpisodeFile]:
        """The intact episodes of a split, memory-mapped. Raises FileNotFoundError when there is none."""
        headers, damaged = self.scan(split)
        if not headers:
            raise FileNotFoundError(
                f"{self.folder / split}: got {len(damaged)} damaged and no intact episodes, expected at least one; "
                "run `reverie collect` first"
            )
        return [EpisodeFile(header.path) for header in headers]

    def summary(self, split: str) -> StoreSummary:
        headers, damaged = self.scan(split)
        counts = [sum(header.rewards[k] for header in headers) for k in range(3)]
        steps = sum(header.steps for header in headers)
        return StoreSummary(len(headers), steps, (counts[0], counts[1], counts[2]), tuple(damaged))

    def read_index(self) -> dict[str, dict]:
        """The index, or nothing when it is missing or unreadable."""
        try:
            index = json.loads((self.folder / "index.json").read_text())
            return index["episodes"] if index.get("format") == 1 else {}
        except (OSError, ValueError, KeyError, AttributeError):
            return {}

    def write_index(self) -> None:
        """Bring the index up to date with the files."""
        episodes = {}
        for split in SPLITS:
            for header in self.scan(split)[0]:
                stat = header.path.stat()
                episodes[f"{split}/{header.path.name}"] = {
                    "steps": header.steps,
                    "shape": header.shape,
                    "action_shape": header.action_shape,
                    "rewards": header.rewards,
                    "meta": header.meta,
                    "bytes": stat.st_size,
                    "mtime": stat.st_mtime_ns,
                }
        write_atomic(self.folder / "index.json", json.dumps({"format": 1, "episodes": episodes}))
