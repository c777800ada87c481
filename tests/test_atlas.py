"""The atlas of a world's latents: on clouds whose distances are known, from a store of episodes, and as a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.checkpoint import open_world_folder
from models.data.episode import EpisodeFile
from models.data.store import EpisodeStore
from models.study import atlas_command
from models.study.atlas import ATLAS, NEAREST, USUAL, Atlas
from models.study.atlas_build import RealStates, chart, contexts, draw_places, real_states
from models.study.atlas_command import make_atlas
from models.study.atlas_quality import Judge, erased, free_dreams, judge, noisy, shown, spliced, told_apart, work
from models.study.thumbnails import pictures_of, sheet, thumbnails
from models.training.options import AtlasOptions
from models.training.rollout import WARM_UP, Place
from models.types import Context
from models.world import Rng
from tests.counting_dream import CountingDream, Last
from tests.stores import counting_episode, episode_of, fill_counting_store
from tests.tiny_rssm import tiny_rssm_world
from tests.tiny_worlds import random_starts, tiny_world, write_tiny

DEPTH = 12


def plane(count: int, seed: int) -> Tensor:
    """Latents (count, 12) of a flat world: 3 and 2 wide along two directions, 0.5 along all others' sum."""
    generator = torch.Generator().manual_seed(seed)
    wide = torch.randn(count, 2, generator=generator) * torch.tensor([3.0, 2.0])
    return wide @ basis()[:2] + 0.01 * torch.randn(count, DEPTH, generator=generator) + 7


def basis() -> Tensor:
    return torch.linalg.qr(torch.randn(DEPTH, DEPTH, generator=torch.Generator().manual_seed(5))).Q


def pictures(count: int, side: int = 8) -> Tensor:
    """Frames of which each tells its number by its brightness."""
    numbers = torch.arange(count, dtype=torch.uint8)
    return numbers[:, None, None, None].expand(count, 3, side, side).clone()


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return chart(RealStates(plane(400, 0), pictures(400)), plane(400, 1), "a world", points=200, note={"seed": 3})


def test_drift_one_is_the_usual_distance(atlas: Atlas) -> None:
    """Catches: a unit taken from the training states themselves, which lie at distance 0 from their own points."""
    fresh = plane(2000, 2)
    assert float((atlas.drift(fresh) > 1).float().mean()) == pytest.approx(0.05, abs=0.03)
    assert atlas.drift(fresh).dtype == torch.float32 and atlas.drift(fresh).shape == (2000,)
    assert torch.equal(atlas.distances.sort().values, atlas.distances)
    assert atlas.unit == float(atlas.distances[USUAL])
    wide = chart(RealStates(plane(400, 0), pictures(400)), 7 + 3 * (plane(400, 1) - 7), "w", points=200)
    assert wide.unit > 2 * atlas.unit


def test_drift_grows_with_the_distance(atlas: Atlas) -> None:
    """Catches: drift that saturates, or falls again, far from everything."""
    away = torch.tensor([0.0, 10.0, 20.0, 40.0])[:, None] * basis()[0] + 7
    drift = atlas.drift(away)
    assert bool((drift[1:] > drift[:-1]).all())
    assert float(drift[3] / drift[2]) == pytest.approx(2, rel=0.3)


def test_what_the_axes_do_not_see_counts(atlas: Atlas) -> None:
    """Catches: a lie outside the plane of real play, which its projection says nothing of."""
    narrow = chart(RealStates(plane(400, 0), pictures(400)), plane(400, 1), "w")
    flat = replace(
        narrow, axes=narrow.axes[:, :2], weights=narrow.weights[[0, 1, -1]], points=narrow.points[:, [0, 1, -1]]
    )
    inside, outside = plane(50, 3), plane(50, 3) + 4 * basis()[7]
    assert float((flat.coordinates(inside) - flat.coordinates(outside)).norm(dim=1).mean()) < 3
    assert float(flat.drift(outside).min()) > 3 * float(flat.drift(inside).max())


def test_a_point_is_nearest_to_itself(atlas: Atlas) -> None:
    """Catches: thumbnails of other moments than the points, distances of another unit than drift, wrong order."""
    real = plane(400, 0)[:200]
    distances, found = atlas.nearest(real)
    assert distances.shape == (200, NEAREST) and found.shape == (200, NEAREST, 3, 8, 8)
    assert float(distances[:, 0].max()) < 0.05
    assert found[:, 0, 0, 0, 0].tolist() == list(range(200))
    assert bool((distances[:, 1:] >= distances[:, :-1]).all())
    assert torch.allclose(distances.mean(1), atlas.drift(real), atol=1e-5)
    assert atlas.nearest(real[:1], 1)[0].shape == (1, 1)
    with pytest.raises(ValueError, match="got k 201, expected 1 to 200"):
        atlas.nearest(real, 201)


def test_the_map_shows_the_widest_directions(atlas: Atlas) -> None:
    """Catches: coordinates along axes that say nothing, or that flip their sign from one making to the next."""
    assert torch.equal(atlas.cloud, atlas.points[:, :2])
    here = atlas.coordinates(7 + torch.stack([torch.zeros(DEPTH), basis()[0], basis()[1], basis()[7]]))
    steps = (here[1:] - here[0]).norm(dim=1)
    assert float(steps[:2].min()) > 2 * float(steps[2])
    again = chart(RealStates(plane(400, 0), pictures(400)), plane(400, 1), "a world", points=200)
    assert torch.equal(again.points, atlas.points) and torch.equal(again.cloud, atlas.cloud)
    largest = atlas.axes.gather(0, atlas.axes.abs().argmax(0, keepdim=True))
    assert bool((largest > 0).all())


def test_what_hardly_changes_does_not_decide() -> None:
    """Catches: a pixel that real play never changes by more than rounding, standardised until it outshouts all."""
    real = torch.cat([plane(400, 0), torch.zeros(400, 1)], dim=1)
    known = torch.cat([plane(400, 1), torch.zeros(400, 1)], dim=1)
    atlas = chart(RealStates(real, pictures(400)), known, "w")
    nudged = known + 0.01 * torch.eye(DEPTH + 1)[-1]
    assert float((atlas.drift(nudged) - atlas.drift(known)).abs().max()) < 0.3
    with pytest.raises(ValueError, match="all the same"):
        chart(RealStates(torch.ones(9, 3), pictures(9)), torch.ones(9, 3), "w")


def test_another_worlds_latent_is_refused(atlas: Atlas) -> None:
    """Catches: a latent of another world broadcast into a number that means nothing."""
    for wrong in (torch.zeros(1, DEPTH + 1), torch.zeros(DEPTH)):
        with pytest.raises(ValueError, match=r"latent: got shape .*expected \(B, 12\)"):
            atlas.drift(wrong)


def test_round_trip(atlas: Atlas, tmp_path: Path) -> None:
    """Catches: a number that half precision changes on its way to disk, or a word that does not come back."""
    atlas.write(tmp_path / ATLAS)
    again, fresh = Atlas.read(tmp_path / ATLAS), plane(30, 4)
    assert torch.equal(again.drift(fresh), atlas.drift(fresh))
    assert torch.equal(again.coordinates(fresh), atlas.coordinates(fresh))
    assert torch.equal(again.thumbnails, atlas.thumbnails), "so few fit without loss"
    assert (again.world, again.note) == (atlas.world, atlas.note) == ("a world", {"seed": 3})
    assert [path.name for path in tmp_path.iterdir()] == [ATLAS]


def damaged(path: Path, how: str) -> None:
    """Write what is almost an atlas over one."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        info = file.metadata()
    tensors = load_file(path)
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:500])
        return
    if how == "another format":
        info["format"] = "2"
    if how == "without a tensor":
        del tensors["weights"]
    if how == "not a number":
        tensors["mean"][0] = torch.nan
    if how == "another shape":
        tensors["axes"] = tensors["axes"][:, :2].contiguous()
    if how == "no picture":
        tensors["thumbnails"] = tensors["thumbnails"][:20].clone()
    if how == "a giant picture":
        info["thumbnails"] = "[200, 3, 60000, 60000]"
    if how == "another picture":
        info["thumbnails"] = "[200, 3, 16, 16]"
    if how == "words for a shape":
        info["thumbnails"] = '{"a": 1}'
    save_file(tensors, path, metadata=info)


HOW = ("truncated", "another format", "without a tensor", "not a number", "another shape", "no picture")


@pytest.mark.parametrize("how", [*HOW, "a giant picture", "another picture", "words for a shape"])
def test_damaged_files_are_refused(atlas: Atlas, tmp_path: Path, how: str) -> None:
    """Catches: a traceback of a library, or a map that is silently wrong, where a file was damaged."""
    path = tmp_path / ATLAS
    atlas.write(path)
    damaged(path, how)
    with pytest.raises(ValueError, match=r"atlas\.safetensors: got no atlas \(.*remove it or make it anew"):
        Atlas.read(path)


def test_no_file_and_a_giant_one_are_refused(tmp_path: Path) -> None:
    """Catches: a file of gigabytes read before anybody looks how large it is."""
    with pytest.raises(ValueError, match="No such file"):
        Atlas.read(tmp_path / ATLAS)
    with (tmp_path / ATLAS).open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(ValueError, match="expected at most"):
        Atlas.read(tmp_path / ATLAS)


def test_thumbnails_fit() -> None:
    """Catches: frames larger than a thumbnail may be, a sheet whose last row is cut, or one that grows without end."""
    assert thumbnails(pictures(3, 130)).shape == (3, 3, 43, 43)
    assert torch.equal(thumbnails(pictures(3)), pictures(3))
    noise = torch.randint(256, (70, 3, 16, 16), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    exact, coarse = sheet(noise, 10**6), sheet(noise, 20_000)
    assert torch.equal(pictures_of(exact, 70, 16, 16), noise)
    assert len(coarse) <= 20_000 < len(exact)
    assert pictures_of(coarse, 70, 16, 16).shape == noise.shape
    with pytest.raises(ValueError, match="they do not fit into 100 bytes"):
        sheet(noise, 100)


# -- latents of the families


def test_latents_of_the_families() -> None:
    """Catches: rows mixed up, a latent of another type or on the graph, one that grows with the age of a dream."""
    for world in (tiny_world(), tiny_rssm_world()):
        context = random_starts(world.spec, 3)
        state = world.initial(context, Rng.seeded((0, 1, 2)))
        latent = world.latent(state)  # type: ignore[arg-type]
        assert latent.dtype == torch.float32 and latent.ndim == 2 and not latent.requires_grad
        one = world.initial(Context(context.frames[1:2], context.actions[1:2]), Rng.seeded((1,)))
        assert torch.allclose(world.latent(one), latent[1:2], atol=1e-4)  # type: ignore[arg-type]
    diamond = tiny_world()
    begun = diamond.initial(random_starts(diamond.spec, 1), Rng.seeded((0,)))
    aged = replace(begun, cell=begun.cell + 100)
    assert torch.equal(diamond.latent(aged), diamond.latent(begun))
    assert not torch.equal(diamond.latent(replace(begun, frames=255 - begun.frames)), diamond.latent(begun))


class Seer(CountingDream):
    """The counting game's own dream, with the frame's mean colours as its latent."""

    def latent(self, state: Last) -> Tensor:
        return state.frames.float().mean((2, 3))


def counting(tmp_path: Path, episodes: int = 20) -> EpisodeStore:
    return EpisodeStore(fill_counting_store(tmp_path, episodes))


def test_frames_belong_to_their_latents(tmp_path: Path) -> None:
    """Catches: latents shuffled apart from their frames, or from the state after another frame than the last."""
    episodes, ticks = counting(tmp_path).episodes("train"), []
    real = real_states(Seer(False), episodes, 100, 0, ticks.append)
    assert torch.allclose(real.latents, real.frames.float().mean((2, 3)))
    assert sum(ticks) == len(real.frames)
    again = real_states(Seer(False), episodes, 100, 0)
    assert torch.equal(again.latents, real.latents)
    assert not torch.equal(real_states(Seer(False), episodes, 100, 1).latents, real.latents)


def test_places_are_whole_and_have_pasts_of_their_own(tmp_path: Path) -> None:
    """Catches: a past that begins before the episode, a future beyond its end, or only fresh starts on the map."""
    episodes = [counting_episode(seed, steps=60) for seed in range(3)]
    store = EpisodeStore(tmp_path)
    for number, episode in enumerate(episodes):
        store.add(number, episode)
    files = store.episodes("train")
    places = draw_places(files, 4, 60, seed=0, steps=5)
    assert len(places) == 60 and {past for _, past in places} == {4, 4 + WARM_UP, 4 + 2 * WARM_UP}
    for place, past in places:
        assert past <= place.t + 1 and place.t + 5 <= len(files[place.episode])
    for rows, context in contexts(files, places):
        last = torch.stack([files[p.episode].slice("frames", p.t, p.t + 1)[0] for p in rows])
        assert torch.equal(context.frames[:, -1], last)
    with pytest.raises(ValueError, match="got no episode of 104 frames among 3"):
        draw_places(files, 4, 10, seed=0, steps=100)


# -- how good it is


def test_told_apart_in_closed_form() -> None:
    """Catches: the area of the wrong side, ties that count whole, a number from two moments."""
    low, high = torch.arange(10.0), torch.arange(10.0) + 100
    assert told_apart(low, high) == 1
    assert told_apart(high, low) == 0
    assert told_apart(low, low) == 0.5
    assert told_apart(torch.zeros(8), torch.tensor([0.0] * 4 + [1.0] * 4)) == 0.75
    assert told_apart(low[:2], high) is None


def test_changes_change_what_they_say() -> None:
    """Catches: noise of another strength, halves of the same moment, an object painted over that stays."""
    context = Context(torch.full((2, 3, 3, 16, 16), 120, dtype=torch.uint8), torch.zeros(2, 2, dtype=torch.int64))
    noise = (noisy(8.0, 0)(context, []).frames.float() - 120).std()
    assert float(noise) == pytest.approx(8, rel=0.05)
    two = torch.stack([torch.zeros(3, 3, 16, 16), torch.full((3, 3, 16, 16), 255.0)]).to(torch.uint8)
    mixed = spliced(Context(two, context.actions), []).frames
    assert mixed[0, 0, 0, :, 0].tolist() == [0] * 8 + [255] * 8
    assert mixed[1, 0, 0, :, 0].tolist() == [255] * 8 + [0] * 8


def test_an_object_is_painted_over_everywhere(tmp_path: Path) -> None:
    """Catches: the object left in older frames of the context, another object painted over, labels off by a frame."""
    frames = torch.zeros(12, 3, 64, 64, dtype=torch.uint8)
    objects = torch.zeros(12, 2, 3)
    for t in range(12):
        row = 8 + 20 * (t % 3)
        frames[t, :, row, 10] = 200
        frames[t, :, 50, 50] = 250
        objects[t] = torch.tensor([[row, 10, 1], [50, 50, 1]])
    meta = {"actions": ["NOOP"], "objects": ["ball", "post"], "game": "made up"}
    episode = replace(episode_of(frames, torch.zeros(11).long(), torch.zeros(11), False, meta), objects=objects)
    store = EpisodeStore(tmp_path)
    store.add(0, episode)
    files, behind = store.episodes("train"), torch.zeros(3, 64, 64, dtype=torch.uint8)
    ((rows, context),) = contexts(files, [(Place(0, 8), 4), (Place(0, 11), 4)])
    painted = erased(files, 0, behind)(context, rows).frames
    assert int(painted[..., :30].max()) == 0 and int(painted[..., 50, 50].min()) == 250
    assert int(context.frames[..., :30].flatten(2).amax(2).min()) == 200
    assert shown(files, [(Place(0, 8), 4)], 0, behind).tolist() == [True]
    assert shown(files, [(Place(0, 8), 4)], 0, frames[8]).tolist() == [False]


def test_a_perfect_dream_is_not_told_from_reality(tmp_path: Path) -> None:
    """Catches: dreams compared with other moments than those that really came, so that a perfect one looks adrift."""
    store = EpisodeStore(tmp_path)
    for number in range(20):
        store.add(number, counting_episode(number, steps=70))
    train, heldout = store.episodes("train"), store.episodes("heldout")
    fresh = real_states(Seer(False), train, 200, 0)
    known = real_states(Seer(False), heldout, 100, 1)
    atlas = chart(fresh, known.latents, "w")
    ticks: list[int] = []
    found = free_dreams(Judge(Seer(False), atlas, heldout, 0, ticks.append), 60)
    assert found and all(share == pytest.approx(0.5, abs=0.01) for share in found.values())
    whole = judge(Judge(Seer(False), atlas, heldout, 0, ticks.append), 40, train)
    assert set(whole) == {"moments", "beyond", "median", "noise", "spliced", "free_dream"}
    assert work(40, 0) > 0


# -- the command


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """A tiny world's folder and a store of its game."""
    fill_counting_store(tmp_path / "data", 12)
    return write_tiny(tmp_path / "tiny").path, tmp_path / "data"


def test_the_command(
    made: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches: a map of another world's hash, a card that says nothing of it, a world that is another one with it, a
    unit from episodes that the points are of."""
    path, data = made
    before, splits = open_world_folder(path).hash, []

    def watched(world: Any, episodes: Sequence[EpisodeFile], *rest: Any) -> RealStates:
        splits.append({episode.header.path.parent.name for episode in episodes})
        return real_states(world, episodes, *rest)

    monkeypatch.setattr(atlas_command, "real_states", watched)
    assert make_atlas(AtlasOptions(str(path), data, frames=40, judged=16)) == 0
    atlas = Atlas.read(path / ATLAS)
    assert atlas.world == before == open_world_folder(path).hash
    assert splits == [{"train"}, {"heldout"}]
    assert len(atlas.points) <= 40 and atlas.note["heldout_episodes"] == 1
    text = (path / "README.md").read_text()
    assert "## Workbench" in text and "noise of 20 levels" in text
    assert "noise of 20 levels" in capsys.readouterr().out
    world, starts = tiny_world(), open_world_folder(path).starts()
    state = world.initial(Context(starts.frames[:2], starts.actions[:2]), Rng.seeded((0, 1)))
    assert bool(atlas.drift(world.latent(state)).isfinite().all())


def test_interrupted_nothing_is_stored(made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: Ctrl-C that leaves a map that was never measured, or a traceback."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    path, data = made
    monkeypatch.setattr(atlas_command, "judge", interrupted)
    assert make_atlas(AtlasOptions(str(path), data, frames=40)) == 130
    assert not (path / ATLAS).exists()


def test_what_does_not_fit_is_refused(made: tuple[Path, Path], tmp_path: Path) -> None:
    """Catches: a map of another game's play, or of more moments than a file holds."""
    path, data = made
    for frames, judged in ((2000, 0), (2, 0), (40, -1)):
        with pytest.raises(ValueError, match="expected 5 to 1024 frames"):
            make_atlas(AtlasOptions(str(path), data, frames=frames, judged=judged))
    fill_counting_store(tmp_path / "large", 10, size=32)
    with pytest.raises(ValueError, match="--data"):
        make_atlas(AtlasOptions(str(path), tmp_path / "large", frames=40))
