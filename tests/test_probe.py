"""The object probe, on a made-up game of a bright dot and a bar."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.data.episode import Episode
from models.data.store import EpisodeStore
from models.training import probe_cache
from models.training.probe import Probe, Sightings, peaks, place_loss
from models.training.probe_cache import probe_of
from models.training.probe_training import Labelled, background, drawn, erase, junk, probe_error, train_probe

SIZE, NAMES = 24, ("bar", "dot")


def made_up(count: int, seed: int) -> Labelled:
    """Dark frames with a grey bar of 5 pixels, always there, and a white dot of 1 pixel in three quarters of them."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.full((count, 3, SIZE, SIZE), 40, dtype=torch.uint8)
    objects = torch.zeros(count, 2, 3)
    for n in range(count):
        bar, y, x = (int(torch.randint(2, SIZE - 2, (1,), generator=generator)) for _ in range(3))
        there = bool(torch.rand(1, generator=generator) < 0.75)
        frames[n, :, bar - 2 : bar + 3, 2] = 120
        objects[n, 0] = torch.tensor([bar, 2, 1])
        objects[n, 1] = torch.tensor([y, 4 + x * (SIZE - 6) // SIZE, float(there)])
        if there:
            frames[n, :, y, int(objects[n, 1, 1])] = 255
    return Labelled(frames, objects)


def episode(seed: int) -> Episode:
    data, no = made_up(9, seed), torch.zeros(8, dtype=torch.bool)
    meta = {"objects": list(NAMES)}
    return Episode(data.frames, torch.zeros(8).long(), torch.zeros(8), no, no.clone(), data.objects, meta)


@pytest.fixture(scope="module")
def trained() -> Probe:
    return train_probe(NAMES, made_up(512, 0), steps=220)


def test_finds_objects_in_frames_it_never_saw(trained: Probe) -> None:
    """Bug: y and x swapped, a place half a pixel off at half resolution, or presence that is always yes."""
    data = made_up(256, 1)
    error = probe_error(trained, data, background(data.frames))
    for name in NAMES:
        assert error[name]["share"] > 0.97
        assert error[name]["median_error"] < 0.6
        assert error[name]["false"] < 0.05


def test_an_object_that_is_always_there_can_be_missed(trained: Probe) -> None:
    """Bug: a probe that never saw the bar missing calls it there in a dream that lost it."""
    data = made_up(64, 2)
    painted, _ = erase(data, background(data.frames), 1.0, torch.Generator().manual_seed(0))
    assert not trained.find(painted.frames).present.any(0).all()
    assert trained.find(painted.frames).present.float().mean() < 0.05
    assert trained.find(data.frames).present[:, 0].float().mean() > 0.97


def test_noise_shows_nothing(trained: Probe) -> None:
    """Bug: a broken dream's noise counts as objects."""
    noise = junk(64, torch.Size((SIZE, SIZE)), torch.Generator().manual_seed(9))
    assert trained.find(noise.add(1).mul(127).to(torch.uint8)).present.float().mean() < 0.1


def test_shapes_and_bad_frames(trained: Probe) -> None:
    """Bug: leading dimensions lost, or frames of another size read as if they fitted."""
    seen = trained.find(torch.zeros(2, 5, 3, SIZE, SIZE, dtype=torch.uint8))
    assert seen.places.shape == (2, 5, 2, 2)
    assert seen.present.shape == (2, 5, 2)
    with pytest.raises(ValueError, match=r"got frames \(2, 3, 32, 32\)"):
        trained.find(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"torch\.float32"):
        trained.find(torch.zeros(2, 3, SIZE, SIZE))


def test_errors_are_distances_and_infinite_where_nothing_was_found() -> None:
    """Bug: a missed object counts with the place it was guessed at."""
    seen = Sightings(torch.tensor([[3.0, 4.0], [1.0, 1.0]]), torch.tensor([True, False]))
    assert seen.errors(torch.tensor([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])).tolist() == [5.0, float("inf")]


def test_peaks_between_pixels_and_beside_a_ghost() -> None:
    """Bug: places rounded to pixels, or pulled to the middle by a weaker ghost far away."""
    maps = torch.full((1, 1, 20, 30), -50.0)
    maps[0, 0, 5, 7] = maps[0, 0, 5, 8] = 10.0
    maps[0, 0, 15, 25] = 9.5
    assert peaks(maps)[0, 0].tolist() == pytest.approx([5.0, 7.5], abs=1e-4)


def test_loss_is_zero_only_at_the_target() -> None:
    """Bug: a loss whose minimum is not the label, or that punishes an invisible object's place."""
    objects = torch.tensor([[[2.0, 3.0, 1.0], [0.0, 0.0, 0.0]]])
    grid = torch.arange(8.0)
    right = -((grid[:, None] - 2) ** 2 + (grid[None] - 3) ** 2) / (2 * 0.8**2) + 20
    maps = torch.stack([right, torch.full((8, 8), -20.0)])[None]
    assert place_loss(maps, objects).tolist()[0] == pytest.approx([0.0, 0.0], abs=1e-3)
    assert place_loss(maps.flip(-2), objects)[0, 0] > 1
    assert place_loss(-maps, objects)[0, 1] > 1


def test_labels_of_what_the_screen_hides_are_invisible() -> None:
    """Bug: an object that memory places behind the scoreboard counts as lost by the dream."""
    data = made_up(8, 3)
    behind = background(made_up(128, 4).frames)
    hidden = Labelled(behind.expand(8, -1, -1, -1).clone(), data.objects)
    assert torch.equal(drawn(data, behind).objects, data.objects)
    assert drawn(hidden, behind).objects[..., 2].sum() == 0


def test_neighbours_of_an_erased_object_are_not_trusted() -> None:
    """Bug: a half-erased neighbour is taught as whole."""
    frames, behind = torch.full((1, 3, 64, 64), 90, dtype=torch.uint8), torch.zeros(3, 64, 64, dtype=torch.uint8)
    objects = torch.tensor([[[10.0, 10.0, 1.0], [10.0, 14.0, 1.0], [50.0, 50.0, 1.0]]])
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        after, trust = erase(Labelled(frames, objects), behind, 0.4, generator)
        gone = (after.objects[0, :, 2] == 0).tolist()
        assert trust[0].tolist() == [float(gone[0] or not gone[1]), float(gone[1] or not gone[0]), 1.0]
        for k, (y, x) in enumerate([(10, 10), (10, 14), (50, 50)]):
            assert (after.frames[0, 0, y, x] == 0) == (gone[k] or (k < 2 and any(gone[:2])))


def test_same_seed_same_probe() -> None:
    """Bug: the global generator decides, so that a measurement cannot be repeated."""
    data = made_up(64, 5)
    one = train_probe(NAMES, data, steps=3, seed=1)
    torch.rand(7)
    two, other = train_probe(NAMES, data, steps=3, seed=1), train_probe(NAMES, data, steps=3, seed=2)
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_probe_is_kept_beside_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: trained anew each time, or an old one used for other episodes, or a damaged file that stops everything."""
    monkeypatch.setattr(probe_cache, "POOL", 20)
    store, steps = EpisodeStore(tmp_path), []
    store.add(0, episode(0))

    def heard(step: int, loss: float) -> None:
        steps.append(step)

    first = probe_of(store, NAMES, 2, heard)
    again = probe_of(store, NAMES, 2, heard)
    assert steps == [0, 1]
    assert torch.equal(first.layers[0].weight, again.layers[0].weight)  # type: ignore[arg-type]
    assert torch.equal(first.bar, again.bar)
    store.add(1, episode(1))
    probe_of(store, NAMES, 2, heard)
    assert len(steps) == 4
    path = tmp_path / "probe.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    probe_of(store, NAMES, 2, heard)
    assert len(steps) == 6
