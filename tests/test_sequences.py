"""Windows for recurrent models, from a game whose frames tell what they should be to what is imagined after them.

Frame t shows t, the action that led to it, and the episode's length; reward t is action t minus 1.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.data.sequences import Sequences, SequenceSampler, cat_sequences, read_sequence
from models.data.store import EpisodeStore
from models.nn.draws import TorchDraws
from models.rssm.agent import Agent, Given
from models.rssm.config import cpu
from models.rssm.core import Rssm, RssmState
from models.rssm.heads import scalar_dist
from models.training import dreaming
from models.training.dreamer import WorldTask, WorldTraining, rewarded, space_for, to_batch
from models.training.dreaming import DreamTask, latents_of
from models.training.laprop import LaProp
from models.training.loop import TrainConfig
from models.types import ActionSpec

SPEC = ActionSpec(("NOOP", "RIGHT", "LEFT"))
CPU = torch.device("cpu")


def windows(store: Path, length: int, rows: int = 100, end_share: float = 0.2) -> Sequences:
    episodes = EpisodeStore(store).episodes("train")
    sampler = SequenceSampler([len(e) for e in episodes], rows, length, seed=3, end_share=end_share)
    return cat_sequences([read_sequence(episodes[e], s, length) for e, s in sampler.draw()])


def test_windows_are_aligned(counting_store: Path) -> None:
    """Catches: rewards, ends or actions that are a step off the frame they arrive with, or led to."""
    seen = windows(counting_store, 9)
    count, led_by, length = (seen.frames[:, :, c, 0, 0].long() for c in range(3))
    assert torch.equal(count[:, 1:], count[:, :-1] + 1)
    before = torch.cat([seen.before[:, None], seen.actions[:, :-1]], 1)
    assert torch.equal(before, led_by), "the action before a frame led to it"
    want = torch.where(seen.is_first, torch.zeros(()), led_by.float() - 1)
    assert torch.equal(seen.rewards, want), "a reward arrives with the frame its action led to"
    assert torch.equal(seen.is_first, count == 0)
    assert torch.equal(seen.is_last, count == length)
    assert torch.equal(seen.terminated, seen.is_last)
    assert bool(seen.is_first.any()) and int(seen.is_last[:, -1].sum()) >= 20, "ends are drawn as often as asked"
    assert not bool(seen.actions[seen.is_last].any()), "nothing is done at the last frame"


def test_windows_stay_inside_an_episode(counting_store: Path) -> None:
    """Catches: a window past an episode's frames, and an episode too short that is drawn all the same."""
    episodes = EpisodeStore(counting_store).episodes("train")
    steps = len(episodes[0])
    assert read_sequence(episodes[0], 0, steps + 1).frames.shape[1] == steps + 1
    for start, length in ((-1, 3), (1, steps + 1), (0, 0)):
        with pytest.raises(ValueError, match="sequence"):
            read_sequence(episodes[0], start, length)
    with pytest.raises(ValueError, match="collect more"):
        SequenceSampler([5, 6], 4, 9, seed=0)
    drawn = {episode for _ in range(20) for episode, _ in SequenceSampler([5, 30], 4, 9, seed=0).draw()}
    assert drawn == {1}


def test_events_are_inside_their_windows(counting_store: Path) -> None:
    """Catches: windows drawn for an event that miss it."""
    episodes = EpisodeStore(counting_store).episodes("train")
    events = [(e, f) for e, f in rewarded(episodes) if f == 7]
    assert events
    sampler = SequenceSampler([len(e) for e in episodes], 16, 5, seed=0, events=events, event_share=1.0)
    for _ in range(10):
        assert all(start <= 7 < start + 5 for _, start in sampler.draw())


def test_draws_go_on_where_they_were_stored() -> None:
    """Catches: a resumed training that sees other windows."""
    one, other = (SequenceSampler([40, 50], 8, 9, seed=1, end_share=0.25) for _ in range(2))
    one.draw()
    other.restore(one.state())
    assert [one.draw() for _ in range(3)] == [other.draw() for _ in range(3)]


def test_a_batch_begins_anew(counting_store: Path) -> None:
    """Catches: a window in the middle of an episode that is taken for a continued one, though its state is unknown."""
    seen = windows(counting_store, 6)
    batch = to_batch(seen, SPEC, CPU)
    assert bool(batch.is_first[:, 0].all())
    assert torch.equal(batch.is_first[:, 1:], seen.is_first[:, 1:])
    assert torch.equal(batch.prev_actions[:, 1:].argmax(-1), seen.frames[:, 1:, 1, 0, 0].long())
    assert torch.equal(batch.reward, seen.rewards)


class Fixed:
    """Noise without chance."""

    def uniform(self, *shape: int) -> Tensor:
        return torch.full(shape, 0.5)

    def normal(self, *shape: int) -> Tensor:
        return torch.zeros(shape)


@pytest.fixture(scope="module")
def agent(counting_store: Path) -> Agent:
    """An untaught agent around a world model that has learned the counting game."""
    torch.manual_seed(0)
    store = EpisodeStore(counting_store)
    size = store.scan("train")[0][0].shape[-1]
    config = cpu(space_for(SPEC, size, size), units=32, deter=64, classes=8, depth=2)
    task = WorldTask(config, SPEC, store, WorldTraining(TrainConfig(1), 8), 8, 0, CPU)
    optimizer = LaProp(task.model.parameters(), lr=4e-3)
    for _ in range(300):
        loss, _ = task.loss(task.batch(), 0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    agent = Agent(config)
    agent.load_state_dict(task.model.state_dict(), strict=False)
    return agent


@torch.no_grad()
def test_what_is_imagined_follows_from_the_action_taken(counting_store: Path, agent: Agent) -> None:
    """Catches: a shift by one step anywhere from play to imagination: a model trained on the counting game must expect
    of each action, in the state that it leads to, the reward that only this action pays."""
    batch = to_batch(windows(counting_store, 6, rows=12, end_share=0), SPEC, CPU)
    seen, _ = agent.observe(batch, Fixed())
    horizon = agent.config.behaviour.horizon
    actions = torch.randint(3, (12, horizon + 1), generator=torch.Generator().manual_seed(1))
    vectors = torch.nn.functional.one_hot(actions, 3).float()
    state, expected = seen.last(), []
    for step in range(4):
        state, _ = agent.rssm.img_step(state, vectors[:, step], Fixed())
        expected.append(scalar_dist(agent.config.net, agent.rew(agent.rssm.feature(state))).mean())
    assert float((torch.stack(expected, 1) - (actions[:, :4].float() - 1)).abs().mean()) < 0.3
    given = Given(seen.stoch, stochs(agent, seen, vectors), vectors)
    trajectory = agent.imagine(seen.last(), TorchDraws(torch.Generator().manual_seed(0)), given)
    feature = agent.rssm.feature_of(trajectory.deter, trajectory.stoch)
    reward = scalar_dist(agent.config.net, agent.rew(feature)).mean()
    assert float((reward[:, 1:5] - (actions[:, :4].float() - 1)).abs().mean()) < 0.3, "the reward of the state reached"


def test_latents_of_whole_episodes(counting_store: Path, agent: Agent) -> None:
    """Catches: a state lost between two chunks of an episode, frames beyond an end, flags of another frame."""
    episodes = EpisodeStore(counting_store).episodes("train")[:3]
    agent = deepcopy(agent)

    def likeliest(stats: Tensor, draws: object = None, temperature: float = 1.0) -> Tensor:
        return Rssm.sample(agent.rssm, stats, None, 0.0)

    agent.rssm.sample = likeliest  # type: ignore[method-assign]
    chunked, dreaming.CHUNK = dreaming.CHUNK, 7
    found = latents_of(agent, episodes, SPEC, 0, CPU)
    dreaming.CHUNK = chunked
    whole = [to_batch(read_sequence(e, 0, len(e) + 1), SPEC, CPU) for e in episodes]
    with torch.no_grad():
        states = [agent.observe(batch, Fixed())[0] for batch in whole]
    assert int((~found.going).sum()) == 3
    assert len(found.going) == sum(len(e) + 1 for e in episodes)
    want = torch.cat([s.deter[0] for s in states]).norm(dim=1).sort().values
    assert torch.allclose(found.deter.float().norm(dim=1).sort().values, want, atol=2e-2)
    ends = torch.stack([s.deter[0, -1] for s in states]).norm(dim=1).sort().values
    assert torch.allclose(found.deter[~found.going].float().norm(dim=1).sort().values, ends, atol=2e-2)


def test_an_agent_learns_in_a_dream_that_stays(counting_store: Path, agent: Agent) -> None:
    """Catches: an actor that climbs the wrong way, learns from another action's reward, or a world that is changed."""
    agent = deepcopy(agent)
    before = {name: value.clone() for name, value in agent.state_dict().items() if name.startswith(("rssm.", "rew."))}
    latents = latents_of(agent, EpisodeStore(counting_store).episodes("train"), SPEC, 0, CPU)
    task = DreamTask(agent, latents, 32, 0, CPU)
    optimizer = LaProp((p for p in agent.parameters() if p.requires_grad), lr=3e-3)
    for _ in range(60):
        loss, _ = task.loss(task.batch(), 0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    state, _ = task.batch()
    with torch.no_grad():
        chosen = agent.policy(agent.rssm.feature(state)).probs.mean(0)
    assert float(chosen[2]) > 0.8, "LEFT pays +1, RIGHT nothing, NOOP -1"
    after = agent.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def stochs(agent: Agent, seen: object, actions: Tensor) -> Tensor:
    """The latents that the prior finds likeliest along actions (N, H + 1, A): (N, H, S, K)."""
    state, out = RssmState(seen.deter[:, -1], seen.stoch[:, -1]), []  # type: ignore[attr-defined]
    for step in range(actions.shape[1] - 1):
        state, _ = agent.rssm.img_step(state, actions[:, step], Fixed())
        out.append(state.stoch)
    return torch.stack(out, 1)
