"""The replay of online training: its windows, its queue, its files, and the alignment of what comes out of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.envs.vector_batch import SerialEnvs
from models.rssm.config import SpaceConfig, v1, v2, v3_2023
from models.training.env_rows import EnvRows
from models.training.presets import tiny
from models.training.replay import Field, Replay, Windows
from models.training.replay_batch import keep_latents, keep_step, replay_fields, to_batch

GOLDEN = Path(__file__).parent / "golden" / "dreamer" / "traces.json"
FLAGS = {name: Field((), torch.bool) for name in ("is_first", "is_last")}
FIELDS = {"t": Field((), torch.int64), "latent": Field((2,), torch.float16, rewritten=True), **FLAGS}


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 40 steps of two streams, so that there are many."""
    monkeypatch.setattr("models.training.replay.CHUNK_ROWS", 80)


def filled(steps: int, streams: int = 2, length: int = 5, capacity: int = 38, **options: Any) -> Replay:
    """Step t of stream w holds t + 1000 w, and the same as its latent; an episode begins at every 7th step."""
    replay = Replay(FIELDS, streams, length, capacity, **options)
    for t in range(steps):
        replay.add(step(replay, t))
    return replay


def step(replay: Replay, t: int) -> dict[str, Tensor]:
    values = t + 1000 * torch.arange(replay.streams)
    first = torch.full((replay.streams,), t % 7 == 0)
    last = torch.full((replay.streams,), t % 7 == 6)
    return {"t": values, "latent": values[:, None].expand(-1, 2) / 1000, "is_first": first, "is_last": last}


def test_golden_trace() -> None:
    """Catches: windows counted or queued otherwise than published, a queue drawn in another order, wrong marks."""
    trace = json.loads(GOLDEN.read_text())["replay_online"]
    streams, length = trace["workers"], trace["length"]
    capacity = trace["capacity"] + streams * (length - 1)  # published: of windows; here: of steps
    fields = {"t": Field((), torch.int64), **FLAGS}
    replay, pending = Replay(fields, streams, length, capacity), []
    for event in trace["log"]:
        if event["event"] == "add":
            pending.append(event)
            if len(pending) == streams:
                names = ("t", "is_first", "is_last")
                replay.add({name: torch.tensor([event[name] for event in pending]) for name in names})
                assert (replay.windows, len(replay.queue)) == (event["items"], event["online_queue"]), event
                pending = []
            continue
        out = replay.sample(event["count"])
        assert out.stream.tolist() == [row[0] for row in event["worker"]]
        for name in ("t", "is_first", "is_last"):
            assert out.data[name].int().tolist() == event[name], name


def test_windows_are_successive_steps_of_one_stream() -> None:
    """Catches: windows across the ring's seam, of two streams, or of steps that were dropped."""
    replay = filled(100, online=False)
    out = replay.sample(500)
    first = out.start + 1000 * out.stream
    assert torch.equal(out.data["t"], first[:, None] + torch.arange(5))
    assert int(out.start.min()) == replay.oldest == 100 - 19
    assert int(out.start.max()) == 95


def test_windows_are_drawn_uniformly() -> None:
    """Catches: a stream, or the oldest or newest window, that is drawn more often or never."""
    replay = filled(30, online=False)
    out = replay.sample(30_000)
    counts = Counter(zip(out.stream.tolist(), out.start.tolist(), strict=True))
    assert len(counts) == replay.windows == 30
    assert 850 < min(counts.values()) <= max(counts.values()) < 1150


def test_an_abandoned_episode_ends() -> None:
    """Catches: returns that flow from a restarted environment into the episode before."""
    replay = Replay({"t": Field((), torch.int64), **FLAGS}, 1, 4, 20, online=False)
    for t, first in enumerate((True, False, True, False)):
        replay.add({"t": torch.tensor([t]), "is_first": torch.tensor([first]), "is_last": torch.tensor([False])})
    out = replay.sample(1).data
    assert out["is_last"].tolist() == [[False, True, False, False]]
    assert out["is_first"].tolist() == [[True, False, True, False]]
    assert not bool(replay.data["is_last"].any())


def test_new_latents_come_back() -> None:
    """Catches: latents written to other steps than they were computed at, or over the window's context."""
    replay = filled(25)
    out = replay.read(torch.tensor([0, 1]), torch.tensor([12, 15]))
    replay.rewrite(out, {"latent": -torch.ones(2, 4, 2) * torch.tensor([1.0, 2.0])[:, None, None]}, skip=1)
    again = replay.read(torch.tensor([0, 1]), torch.tensor([12, 15])).data["latent"][..., 0]
    assert again[:, 1:].tolist() == [[-1.0] * 4, [-2.0] * 4]
    assert again[0, 0] == torch.tensor(0.012).half()
    with pytest.raises(ValueError, match="got new values of 't', expected a field that may be rewritten"):
        replay.rewrite(out, {"t": torch.zeros(2, 4)}, skip=1)


def test_dropped_steps_are_not_rewritten() -> None:
    """Catches: latents of steps that were dropped meanwhile, written over the newest ones."""
    replay = filled(19)
    out = replay.read(torch.tensor([0]), torch.tensor([0]))
    for t in range(19, 22):
        replay.add(step(replay, t))
    replay.rewrite(out, {"latent": torch.full((1, 4, 2), -1.0)}, skip=1)
    kept = replay.read(torch.tensor([0, 0]), torch.tensor([3, 17])).data["latent"][..., 0]
    assert kept[0, :2].tolist() == [-1.0, -1.0]
    assert bool((kept[1] > 0).all())


@pytest.mark.parametrize("steps", [3, 70, 300])
def test_it_goes_to_disk_and_back(tmp_path: Path, steps: int) -> None:
    """Catches: a resumed training that draws other windows, or whose replay lost steps, latents or its queue."""
    replay = filled(steps, capacity=400)
    info = json.loads(json.dumps(replay.save(tmp_path)))
    again = filled(0, capacity=400)
    again.restore(tmp_path, info)
    for t in range(steps, steps + 90):
        replay.add(step(replay, t))
        again.add(step(again, t))
        if replay.windows:
            one, two = replay.sample(3), again.sample(3)
            assert all(torch.equal(one.data[name], two.data[name]) for name in FIELDS)
            assert torch.equal(one.start, two.start)


def test_an_older_state_survives_a_newer_one(tmp_path: Path) -> None:
    """Catches: a crash between writing the replay and the checkpoint that leaves neither state whole."""
    replay = filled(150, capacity=400, seed=3)
    old = replay.save(tmp_path)
    for t in range(150, 290):
        replay.add(step(replay, t))
    replay.rewrite(out := replay.sample(4), {"latent": torch.zeros(4, 4, 2)}, skip=1)
    replay.save(tmp_path)
    again = filled(0, capacity=400)
    again.restore(tmp_path, old)
    want = filled(150, capacity=400, seed=3)
    assert again.count == 150
    for name in FIELDS:
        assert torch.equal(again.data[name], want.data[name]), name
    assert len(out.start) == 4
    for t in range(150, 290):
        again.add(step(again, t))
    info = again.save(tmp_path)
    again.prune(tmp_path, info)
    assert {path.name for path in tmp_path.iterdir()} == {*info["files"], *info["latents"]}
    last = filled(0, capacity=400)
    last.restore(tmp_path, info)
    assert torch.equal(last.data["t"], again.data["t"])


def test_what_does_not_change_is_written_once(tmp_path: Path) -> None:
    """Catches: gigabytes of old frames written anew at every checkpoint."""
    replay = filled(130, capacity=400)
    replay.save(tmp_path)
    before = (tmp_path / "steps-000000.safetensors").stat().st_mtime_ns
    replay.add(step(replay, 130))
    replay.save(tmp_path)
    assert (tmp_path / "steps-000000.safetensors").stat().st_mtime_ns == before


def test_bad_input_says_so(tmp_path: Path) -> None:
    """Catches: a traceback far away from what was wrong."""
    with pytest.raises(ValueError, match="room for 9 steps, expected room for at least one window"):
        Replay(FIELDS, 2, 5, 9)
    with pytest.raises(ValueError, match="expected is_first among them"):
        Replay({}, 1, 2, 10)
    with pytest.raises(ValueError, match="got 3 steps a stream, expected at least 5"):
        filled(3).sample(1)
    with pytest.raises(ValueError, match=r"got a step with \['t'\], expected"):
        filled(0).add({"t": torch.zeros(2)})
    replay = filled(20)
    info = replay.save(tmp_path)
    path = tmp_path / next(iter(info["files"]))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match="got no intact part of the replay"):
        filled(0).restore(tmp_path, info)


def test_counting_game_is_aligned() -> None:
    """Catches: actions, rewards, flags or latents off by one between environment, replay and batch.

    The counting game shows its step and the action that led to it; the reward is that action minus one.
    """
    config = tiny(SpaceConfig((16, 16, 3), (), 3, True))
    rows = EnvRows(SerialEnvs("counting", 3, 16), lambda episode: 100 + episode)
    replay = Replay(replay_fields(config), 3, 13, 3000, seed=1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        tick = rows.tick
        action = torch.eye(3)[torch.randint(3, (3,), generator=generator)]
        count = tick.obs["image"][:, 0, 0, 0].float()
        latents = {"deter": count[:, None].expand(-1, config.net.deter), "stoch": classes(count)}
        replay.add(keep_step(config, tick, action, latents))
        rows.step(action)
    batch = to_batch(config, replay.sample(64))
    assert batch.deter is not None
    assert batch.stoch is not None
    count, led, length = (batch.obs["image"][:, :, channel, 0, 0].long() for channel in range(3))
    before = batch.prev_actions
    rest = ~batch.is_first
    assert torch.equal(before.argmax(-1)[rest], led[rest])
    assert torch.equal(batch.reward[rest], led[rest].float() - 1)
    assert torch.equal(batch.is_first, count == 0)
    assert torch.equal(batch.is_last, count == length)
    assert torch.equal(batch.terminated, count == length)
    assert not bool(batch.action[batch.is_last].any())
    assert bool((batch.action.sum(-1) == 1)[~batch.is_last].all())
    assert not bool(batch.reward[batch.is_first].any())
    begun = rest[:, 0]
    assert torch.equal(batch.deter[begun, 0], count[begun, 0].float() - 1)
    assert torch.equal(batch.stoch[begun, 0].argmax(-1), (count[begun, 0] - 1) % 4)
    assert bool(batch.is_first.any())
    assert bool(batch.is_last.any())


@pytest.mark.parametrize("make", [v1, v2, v3_2023])
def test_versions_without_stored_latents_begin_anew(make: Any) -> None:
    """Catches: V1 and V2 trained from a state or an action that their sequences do not bring."""
    config = make(SpaceConfig((64, 64, 3), (), 3, True))
    fields = replay_fields(config)
    assert not {"deter", "stoch"} & set(fields)
    replay = Replay(fields, 1, 6, 40, online=False)
    for t in range(20):
        entry = {name: torch.full((1, *field.shape), t, dtype=field.dtype) for name, field in fields.items()}
        replay.add(entry | {name: torch.zeros(1, dtype=torch.bool) for name in ("is_first", "is_last", "terminated")})
    batch = to_batch(config, replay.sample(3))
    assert batch.deter is batch.stoch is None
    assert tuple(batch.reward.shape) == (3, 6)
    assert batch.is_first.tolist() == [[True] + [False] * 5] * 3
    assert not bool(batch.prev_action.any())
    assert torch.equal(batch.reward, batch.obs["image"][:, :, 0, 0, 0].float())


def test_gaussian_latents_come_back() -> None:
    """Catches: values of a gaussian latent kept as if they were classes."""
    config = replace(v1(SpaceConfig((64, 64, 3), (), 3, True)), repval_stored=True)
    stoch = torch.linspace(-3, 3, 60).reshape(2, 30, 1)
    kept = keep_latents(config, {"deter": torch.zeros(2, 200), "stoch": stoch})
    field = replay_fields(config)["stoch"]
    assert tuple(kept["stoch"].shape) == (2, *field.shape)
    data = {name: torch.zeros(2, 4, *f.shape, dtype=f.dtype) for name, f in replay_fields(config).items()}
    data["stoch"][:, 0] = kept["stoch"].to(field.dtype)
    batch = to_batch(config, Windows(data, torch.zeros(2), torch.zeros(2)))
    assert batch.stoch is not None
    assert torch.equal(batch.stoch, stoch.half().float())


def classes(count: Tensor) -> Tensor:
    """(B, 32, 4) one-hot."""
    return torch.eye(4)[count.long() % 4][:, None].expand(-1, 32, -1)


def test_half_written_files_go(tmp_path: Path) -> None:
    """Catches: parts of files that every killed training leaves in the folder."""
    replay = filled(20)
    kept = replay.save(tmp_path)
    (tmp_path / ".steps-000000.safetensors.abc.part").write_bytes(b"half")
    replay.prune(tmp_path, kept)
    assert {path.name for path in tmp_path.iterdir()} == {*kept["files"], *kept["latents"]}
