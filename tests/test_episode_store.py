"""The store of episodes: atomic writes, damaged files, an index that is only a cache."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.data.env_meta import action_repeat, action_spec, fps
from models.data.episode import DTYPES, Episode, EpisodeError, EpisodeFile
from models.data.store import HELDOUT_EVERY, EpisodeStore, split_of
from models.types import ActionSpec
from tests.stores import counting_episode, counting_meta, episode_of, fill_counting_store


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_counting_store(tmp_path_factory.mktemp("store"), episodes=4)


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> EpisodeStore:
    """A copy of a store of four episodes and their index."""
    return EpisodeStore(shutil.copytree(filled, tmp_path / "store"))


def test_episode_comes_back_as_it_was(tmp_path: Path) -> None:
    """Catches: a tensor stored in another type, meta lost, a header that disagrees with the tensors."""
    episode = counting_episode(3)
    path = EpisodeStore(tmp_path).add(0, episode)
    file = EpisodeFile(path)
    again = file.read()
    for name, dtype in DTYPES.items():
        assert torch.equal(getattr(again, name), getattr(episode, name)), name
        assert getattr(again, name).dtype in dtype
    assert again.meta == episode.meta
    assert file.header.steps == len(episode)
    assert file.header.shape == (3, 16, 16)
    counts = [int((episode.rewards.sign() == s).sum()) for s in (-1, 0, 1)]
    assert list(file.header.rewards) == counts
    assert torch.equal(file.slice("frames", 2, 5), episode.frames[2:5])


def test_train_and_heldout_are_apart(tmp_path: Path) -> None:
    """Catches: an episode in both splits, or one that changes sides as the store grows."""
    store = EpisodeStore(tmp_path)
    for number in range(2 * HELDOUT_EVERY):
        store.add(number, counting_episode(number, steps=3))
    seeds = {split: {h.meta["seed"] for h in store.scan(split)[0]} for split in ("train", "heldout")}
    assert seeds["heldout"] == {n for n in range(2 * HELDOUT_EVERY) if split_of(n) == "heldout"}
    assert len(seeds["heldout"]) == 2
    assert not seeds["train"] & seeds["heldout"]
    assert seeds["train"] | seeds["heldout"] == set(range(2 * HELDOUT_EVERY))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    save_file({"weights": torch.zeros(3)}, path)


def newer(path: Path) -> None:
    values = EpisodeFile(path).read()
    save_file({name: getattr(values, name) for name in DTYPES}, path, metadata={"format": "99"})


def miscounted(path: Path) -> None:
    values = EpisodeFile(path).read()
    header = {"format": "1", "steps": "3", "rewards": "[0, 0, 3]", "meta": "{}"}
    save_file({name: getattr(values, name) for name in DTYPES}, path, metadata=header)


def no_number(path: Path) -> None:
    values = EpisodeFile(path).read()
    save_file({name: getattr(values, name) for name in DTYPES}, path, metadata={"format": "1", "steps": "many"})


@pytest.mark.parametrize("damage", [truncate, empty, foreign, newer, miscounted, no_number])
def test_damaged_file_is_reported_and_skipped(store: EpisodeStore, damage, caplog: pytest.LogCaptureFixture) -> None:
    """Catches: one bad file that ends a training, or that is trained on, or that disappears without a word."""
    path = store.path(1)
    damage(path)
    headers, damaged = store.scan("train")
    assert [header.path.stem for header in headers] == ["000000", "000002", "000003"]
    assert len(damaged) == 1
    assert str(path) in damaged[0]
    assert str(path) in caplog.text
    assert store.summary("train").damaged == tuple(damaged)
    assert len(store.episodes("train")) == 3
    assert store.numbers() == [0, 1, 2, 3], "a damaged file's number must not be given to a new episode"


def test_index_is_rebuilt(store: EpisodeStore) -> None:
    """Catches: an index that is believed although the files tell otherwise, or without which nothing is found."""
    headers = store.scan("train")[0]
    assert len(store.read_index()) == 4
    index = store.folder / "index.json"
    for text in ("", "[1, 2]", '{"format": 1}', '{"format": 9, "episodes": {}}'):
        index.write_text(text)
        assert store.read_index() == {}
        assert store.scan("train")[0] == headers
    index.unlink()
    assert store.scan("train")[0] == headers
    store.write_index()
    assert len(store.read_index()) == 4


def test_index_spares_reading_and_notices_changes(store: EpisodeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: an index that spares nothing, or that hides a file replaced since it was written."""
    store.add(2, counting_episode(77, steps=5))
    read: list[str] = []
    from models.data import store as module

    original = module.read_header
    monkeypatch.setattr(module, "read_header", lambda path: read.append(path.name) or original(path))
    headers = store.scan("train")[0]
    assert read == ["000002.safetensors"]
    assert headers[2].steps == 5


def test_killed_while_writing(store: EpisodeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a half-written episode that is seen after the process died before the rename."""

    class KilledError(BaseException):
        """Stands for SIGKILL: nothing after it runs."""

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        patch.setattr(Path, "unlink", lambda *_a, **_k: None)
        with pytest.raises(KilledError):
            store.add(4, counting_episode(4))
    assert list((store.folder / "train").glob(".*.part")), "expected the litter that a killed process leaves"
    assert store.numbers() == [0, 1, 2, 3]
    assert len(store.scan("train")[0]) == 4
    store.add(4, counting_episode(4))
    assert len(store.scan("train")[0]) == 5


def test_killed_before_the_index(store: EpisodeStore) -> None:
    """Catches: an episode that was stored but is invisible because the index was not written any more."""
    store.add(4, counting_episode(4))
    assert len(store.scan("train")[0]) == 5


def test_full_disk(store: EpisodeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a full disk that leaves half an episode, destroys the one before, or says nothing of what to do."""
    before = store.path(2).read_bytes()
    files = sorted(p.name for p in store.folder.rglob("*"))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="free some disk space") as caught:
        store.add(2, counting_episode(99))
    assert caught.value.errno == errno.ENOSPC
    assert str(store.path(2)) in str(caught.value)
    assert store.path(2).read_bytes() == before
    with pytest.raises(OSError, match="No space left"):
        store.write_index()
    assert sorted(p.name for p in store.folder.rglob("*")) == files


def test_empty_split_says_what_to_do(tmp_path: Path) -> None:
    """Catches: training on nothing, or an index error from inside the sampler."""
    with pytest.raises(FileNotFoundError, match="reverie collect"):
        EpisodeStore(tmp_path / "nowhere").episodes("train")
    with pytest.raises(ValueError, match="got 'test', expected one of"):
        EpisodeStore(tmp_path).scan("test")


@pytest.mark.parametrize("name", DTYPES)
def test_episode_of_wrong_lengths_is_refused(name: str) -> None:
    """Catches: an episode without its last frame, in which every later alignment is off by one."""
    episode = counting_episode(0, steps=5)
    values = {key: getattr(episode, key) for key in DTYPES}
    values[name] = values[name][:-1]
    with pytest.raises(EpisodeError, match="expected first dimension"):
        Episode(**values, meta=counting_meta(16))


def test_end_in_the_middle_is_refused() -> None:
    """Catches: two episodes stored as one, whose seam would be learned as a move of the game."""
    episode = counting_episode(0, steps=5)
    values = {key: getattr(episode, key).clone() for key in DTYPES}
    values["terminated"][2] = True
    with pytest.raises(EpisodeError, match="end before the last step"):
        Episode(**values, meta={})


def test_header_is_json_of_the_meta(tmp_path: Path) -> None:
    """Catches: meta that a reader of the file cannot parse without this code."""
    from safetensors import safe_open

    path = EpisodeStore(tmp_path).add(0, counting_episode(0, steps=3))
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["meta"])["game"] == "counting"


def driven(steps: int = 6) -> Episode:
    """An episode with continuous actions."""
    generator = torch.Generator().manual_seed(steps)
    frames = torch.randint(0, 256, (steps + 1, 3, 4, 4), generator=generator, dtype=torch.uint8)
    actions = torch.rand(steps, 3, generator=generator)
    return episode_of(frames, actions, torch.arange(float(steps)), False, {"env": "car_racing"})


def test_continuous_actions_come_back_as_they_were(tmp_path: Path) -> None:
    """Catches: steering rounded to an index; a header, from the file or from the index, that does not tell."""
    store, episode = EpisodeStore(tmp_path), driven()
    file = EpisodeFile(store.add(0, episode))
    assert torch.equal(file.read().actions, episode.actions)
    assert torch.equal(file.slice("actions", 2, 4), episode.actions[2:4])
    assert file.header.action_shape == (3,)
    store.write_index()
    assert store.scan("train")[0][0] == file.header
    assert EpisodeFile(store.add(1, counting_episode(0, steps=3))).header.action_shape == ()


@pytest.mark.parametrize("actions", [torch.zeros(6), torch.zeros(6, 3, dtype=torch.int64), torch.zeros(6, 3, 1)])
def test_actions_of_another_shape_are_refused(actions: torch.Tensor) -> None:
    """Catches: indices stored as floats, which no reader could tell from a steering wheel."""
    episode = driven()
    with pytest.raises(EpisodeError, match=r"expected \(T,\) int64 or \(T, n\) float32"):
        episode_of(episode.frames, actions, episode.rewards, False, {})


def test_settings_tell_the_play() -> None:
    """Catches: a pace or bounds of actions that a world's provenance has and its spec has not."""
    pong = {"actions": ["NOOP", "FIRE"], "frame_skip": 4}
    assert (action_spec(pong), fps(pong), action_repeat(pong)) == (ActionSpec(("NOOP", "FIRE")), 15.0, 4)
    car = {"actions": ["steer", "gas"], "frame_skip": 2, "fps": 25.0, "action_kind": "continuous"}
    car |= {"action_low": [-1.0, 0.0], "action_high": [1.0, 1.0]}
    assert action_spec(car) == ActionSpec(("steer", "gas"), "continuous", (-1.0, 0.0), (1.0, 1.0))
    assert fps(car) == 25.0
