"""Configurations of the RSSM family: Dreamer V1 (arXiv 1912.01603), V2 (2010.02193) and V3 (2301.04104; Nature 2025).

One network whose variants are values: latents, recurrent cell, codec, heads, losses and behaviour are chosen here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from models.nn.config import strict

Latent = Literal["categorical", "gaussian"]
Cell = Literal["gru", "ln_gru", "block_gru"]
Codec = Literal["valid4", "same4", "pool5", "stride5"]
Scalar = Literal["normal", "symlog_twohot", "symexp_twohot"]
Actor = Literal["onehot", "tanh_normal", "trunc_normal", "bounded_normal"]


def one_of(where: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{where}: got {value!r}, expected one of {known}")


@dataclass(frozen=True)
class SpaceConfig:
    """What is observed and what can be done.

    image: (height, width, channels), or () for none. vectors: names and sizes of observed float vectors.
    actions: number of discrete actions (one-hot), or of continuous components in [-1, 1].
    """

    image: tuple[int, ...] = (64, 64, 3)
    vectors: tuple[tuple[str, int], ...] = ()
    actions: int = 1
    discrete: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors", tuple((str(name), int(size)) for name, size in self.vectors))
        if self.image and (len(self.image) != 3 or min(self.image) < 1):
            raise ValueError(f"space.image: got {self.image}, expected (height, width, channels)")
        if not self.image and not self.vectors:
            raise ValueError("space: got neither image nor vectors, expected something to observe")
        if self.actions < 1 or any(size < 1 for _, size in self.vectors):
            raise ValueError(f"space: got {self}, expected at least one action and vectors of at least 1")


@dataclass(frozen=True)
class NetConfig:
    """Shapes and kinds of the networks.

    classes: of every categorical latent (1 for a gaussian one). hidden: width inside the recurrent model; units: of
    vector encoders and heads. blocks: of the block GRU. feature_order: "hz" puts deter first, "zh" stoch.
    """

    latent: Latent = "categorical"
    stoch: int = 32
    classes: int = 64
    unimix: float = 0.01
    std: Literal["softplus", "sigmoid2"] = "softplus"
    deter: int = 8192
    hidden: int = 1024
    blocks: int = 8
    cell: Cell = "block_gru"
    dyn_layers: int = 1
    prior_layers: int = 2
    post_layers: int = 1
    initial: Literal["zeros", "learned"] = "zeros"
    act: Literal["silu", "elu"] = "silu"
    norm: Literal["rms", "layer", "none"] = "rms"
    norm_eps: float = 1e-4
    init: Literal["trunc_in", "trunc_avg", "glorot"] = "trunc_in"
    codec: Codec = "pool5"
    centred: bool = False
    """Pictures are seen and drawn as what differs from the mean picture of the data (not published; codecs of V3).

    Small objects before a constant background are then learned from the first updates on.
    """
    depth: int = 64
    mults: tuple[int, ...] = (2, 3, 4, 4)
    units: int = 1024
    vector_layers: int = 3
    symlog_vectors: bool = True
    reward_layers: int = 1
    cont_layers: int = 1
    actor_layers: int = 3
    critic_layers: int = 3
    scalar: Scalar = "symexp_twohot"
    bins: int = 255
    actor_continuous: Actor = "bounded_normal"
    feature_order: Literal["hz", "zh"] = "hz"

    def __post_init__(self) -> None:
        one_of("net.latent", self.latent, ("categorical", "gaussian"))
        one_of("net.cell", self.cell, ("gru", "ln_gru", "block_gru"))
        one_of("net.codec", self.codec, ("valid4", "same4", "pool5", "stride5"))
        one_of("net.scalar", self.scalar, ("normal", "symlog_twohot", "symexp_twohot"))
        one_of("net.act", self.act, ("silu", "elu"))
        one_of("net.norm", self.norm, ("rms", "layer", "none"))
        widths = (self.stoch, self.classes, self.deter, self.hidden, self.blocks, self.depth, self.units, *self.mults)
        if min(widths) < 1 or not self.mults:
            raise ValueError(f"net: got {self}, expected widths of at least 1")
        heads = (self.reward_layers, self.cont_layers, self.actor_layers, self.critic_layers)
        if min(self.dyn_layers, self.post_layers) < 1 or min(self.prior_layers, self.vector_layers, *heads) < 0:
            raise ValueError(f"net: got {self}, expected dyn_layers and post_layers of at least 1, no others below 0")
        if self.centred and self.codec not in ("pool5", "stride5"):
            raise ValueError(f"net.centred: got codec {self.codec!r}, expected pool5 or stride5")
        if self.deter % self.blocks or not 0 <= self.unimix < 1 or self.bins < 3:
            got = f"deter {self.deter}, blocks {self.blocks}, unimix {self.unimix}, bins {self.bins}"
            raise ValueError(f"net: got {got}, expected blocks that divide deter, unimix in 0 .. 1, 3 bins or more")

    @property
    def flat(self) -> int:
        """Width of the flattened stochastic latent."""
        return self.stoch * self.classes

    @property
    def feature(self) -> int:
        """Width of what heads, actor and critic see: deter and flattened stoch."""
        return self.deter + self.flat


@dataclass(frozen=True)
class LossConfig:
    """The world model's objective.

    kl: "mean" is V1's max(free, batch mean); "balanced" is V2's, mixed by ``balance`` and clipped on the mean; "split"
    is V3's, dyn and rep clipped at every time step. motion_weight: extra weight of pixels that differ from the frame
    before (0 as published).
    """

    kl: Literal["mean", "balanced", "split"] = "split"
    free: float = 1.0
    balance: float = 0.8
    scale: float = 1.0
    dyn: float = 1.0
    rep: float = 0.1
    image: Literal["mse", "normal"] = "mse"
    reward_scale: float = 1.0
    cont_scale: float = 1.0
    cont_discounted: bool = True
    """The continue target carries the discount: (1 - terminated) * discount."""
    motion_weight: float = 0.0

    def __post_init__(self) -> None:
        one_of("loss.kl", self.kl, ("mean", "balanced", "split"))
        one_of("loss.image", self.image, ("mse", "normal"))


@dataclass(frozen=True)
class BehaviourConfig:
    """How actor and critic learn in imagination; the spec of each version is in ``models.rssm.behaviour``."""

    version: Literal["v1", "v2", "v3_2023", "v3"] = "v3"
    horizon: int = 15
    discount: float = 1 - 1 / 333
    lam: float = 0.95
    entropy: float = 3e-4
    actor_grad: Literal["reinforce", "dynamics"] = "reinforce"
    norm_rate: float = 0.01
    slow_rate: float = 0.02
    slow_every: int = 1
    """V2: the target critic is a hard copy (rate 1) every 100 updates."""
    slow_reg: float = 1.0
    replay_value: float = 0.3
    """Scale of the value loss on replayed states, whose gradient reaches the world model (V3)."""
    imag_last: int = 0
    """Imagination starts from this many last states of each sequence; 0: from all."""

    def __post_init__(self) -> None:
        one_of("behaviour.version", self.version, ("v1", "v2", "v3_2023", "v3"))
        one_of("behaviour.actor_grad", self.actor_grad, ("reinforce", "dynamics"))
        if self.horizon < 1 or not 0 < self.discount <= 1 or not 0 <= self.lam <= 1:
            raise ValueError(f"behaviour: got {self}, expected horizon >= 1, discount and lambda within 0 .. 1")


@dataclass(frozen=True)
class OptimizerConfig:
    """laprop: one LaProp with adaptive clipping over everything (V3). adam: three Adams (model, actor, critic)."""

    kind: Literal["laprop", "adam"] = "laprop"
    lr: float = 4e-5
    actor_lr: float = 4e-5
    critic_lr: float = 4e-5
    eps: float = 1e-20
    agent_eps: float = 1e-20
    beta1: float = 0.9
    beta2: float = 0.999
    agc: float = 0.3
    clip: float = 1000.0
    """Global-norm clip of the model (adam)."""
    agent_clip: float = 100.0
    warmup: int = 1000
    weight_decay: float = 0.0
    tf_eps: bool = False
    """TensorFlow's Adam: epsilon outside the bias correction (V1, V2)."""


@dataclass(frozen=True)
class RssmConfig:
    """Everything that shapes an RSSM world, its agent and their training."""

    space: SpaceConfig
    net: NetConfig = NetConfig()
    loss: LossConfig = LossConfig()
    behaviour: BehaviourConfig = BehaviourConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    repval_stored: bool = True
    """Stored latents begin replayed sequences (V3); otherwise they begin from the initial state."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RssmConfig:
        """Strict: unknown and missing keys and values of another type are errors that name them."""
        if not isinstance(values, dict):
            raise ValueError(f"config: got {type(values).__name__}, expected an object")
        parts: dict[str, Any] = {
            "space": SpaceConfig,
            "net": NetConfig,
            "loss": LossConfig,
            "behaviour": BehaviourConfig,
            "optimizer": OptimizerConfig,
        }
        plain = {key: strict(parts[key], value, key) if key in parts else value for key, value in values.items()}
        return strict(cls, plain, "config")


SIZES = {
    "size1m": 64,
    "size12m": 256,
    "size25m": 384,
    "size50m": 512,
    "size100m": 768,
    "size200m": 1024,
    "size400m": 1536,
}
"""V3's published sizes by their number of units d: deter 8 d, hidden d, classes and depth d / 16."""


def v3(space: SpaceConfig, size: str = "size200m") -> RssmConfig:
    """Dreamer V3 as published (Nature 2025 and the maintained code)."""
    one_of("size", size, tuple(SIZES))
    d = SIZES[size]
    return RssmConfig(space, NetConfig(deter=8 * d, hidden=d, units=d, classes=d // 16, depth=d // 16))


def v3_2023(space: SpaceConfig, size: str = "small") -> RssmConfig:
    """Dreamer V3 of January 2023 (arXiv 2301.04104v1)."""
    sizes = {"small": (512, 32, 512, 2), "medium": (1024, 48, 640, 3), "large": (2048, 64, 768, 4)}
    sizes["xlarge"] = (4096, 96, 1024, 5)
    one_of("size", size, tuple(sizes))
    deter, depth, units, layers = sizes[size]
    net = NetConfig(
        classes=32,
        deter=deter,
        hidden=units,
        cell="ln_gru",
        prior_layers=1,
        initial="learned",
        norm="layer",
        norm_eps=1e-3,
        init="trunc_avg",
        codec="same4",
        depth=depth,
        mults=(1, 2, 4, 8),
        units=units,
        vector_layers=layers,
        reward_layers=layers,
        cont_layers=layers,
        actor_layers=layers,
        critic_layers=layers,
        scalar="symlog_twohot",
    )
    loss = LossConfig(dyn=0.5, cont_discounted=False)
    grad: Literal["reinforce", "dynamics"] = "reinforce" if space.discrete else "dynamics"
    behaviour = BehaviourConfig("v3_2023", actor_grad=grad, replay_value=0.0)
    optimizer = OptimizerConfig("adam", 1e-4, 3e-5, 3e-5, eps=1e-8, agent_eps=1e-5, warmup=0)
    return RssmConfig(space, net, loss, behaviour, optimizer, repval_stored=False)


def v2(space: SpaceConfig, domain: Literal["atari", "dmc", "crafter"] = "atari") -> RssmConfig:
    """Dreamer V2 as published."""
    one_of("domain", domain, ("atari", "dmc", "crafter"))
    net = NetConfig(
        classes=32,
        unimix=0.0,
        std="sigmoid2",
        deter=200 if domain == "dmc" else 600,
        hidden=200 if domain == "dmc" else 600,
        cell="ln_gru",
        prior_layers=1,
        act="elu",
        norm="layer" if domain == "crafter" else "none",
        norm_eps=1e-3,
        init="glorot",
        codec="valid4",
        depth=48,
        mults=(1, 2, 4, 8),
        units=400,
        vector_layers=4,
        symlog_vectors=False,
        reward_layers=4,
        cont_layers=4,
        actor_layers=4,
        critic_layers=4,
        scalar="normal",
        actor_continuous="trunc_normal",
        feature_order="zh",
    )
    loss = LossConfig(
        "balanced",
        free=1.0 if domain == "dmc" else 0.0,
        scale=1.0 if domain == "dmc" else 0.1,
        image="normal",
        cont_scale=5.0 if domain == "atari" else 1.0,
    )
    behaviour = BehaviourConfig(
        "v2",
        discount=0.99 if domain == "dmc" else 0.999,
        entropy={"atari": 1e-3, "dmc": 1e-4, "crafter": 3e-3}[domain],
        actor_grad="reinforce" if space.discrete else "dynamics",
        slow_rate=1.0,
        slow_every=100,
        replay_value=0.0,
    )
    rates = {"atari": (2e-4, 4e-5, 1e-4), "dmc": (3e-4, 8e-5, 8e-5), "crafter": (1e-4, 1e-4, 1e-4)}
    model, actor, critic = rates[domain]
    optimizer = OptimizerConfig(
        "adam", model, actor, critic, 1e-5, 1e-5, clip=100.0, warmup=0, weight_decay=1e-6, tf_eps=True
    )
    return RssmConfig(space, net, loss, behaviour, optimizer, repval_stored=False)


def v1(space: SpaceConfig) -> RssmConfig:
    """Dreamer V1 as published."""
    net = NetConfig(
        latent="gaussian",
        stoch=30,
        classes=1,
        unimix=0.0,
        deter=200,
        hidden=200,
        cell="gru",
        prior_layers=1,
        act="elu",
        norm="none",
        init="glorot",
        codec="valid4",
        depth=32,
        mults=(1, 2, 4, 8),
        units=400,
        vector_layers=3,
        symlog_vectors=False,
        reward_layers=2,
        cont_layers=3,
        actor_layers=4,
        critic_layers=3,
        scalar="normal",
        actor_continuous="tanh_normal",
        feature_order="zh",
    )
    loss = LossConfig("mean", free=3.0, image="normal", cont_scale=10.0)
    behaviour = BehaviourConfig("v1", discount=0.99, entropy=0.0, actor_grad="dynamics", slow_reg=0.0, replay_value=0.0)
    optimizer = OptimizerConfig("adam", 6e-4, 8e-5, 8e-5, 1e-7, 1e-7, clip=100.0, warmup=0, tf_eps=True)
    return RssmConfig(space, net, loss, behaviour, optimizer, repval_stored=False)


def cpu(space: SpaceConfig, units: int = 128, deter: int = 512, classes: int = 16, depth: int = 8) -> RssmConfig:
    """Dreamer V3 for a laptop's processor: strided convolutions, a higher learning rate, fewer imagined starts."""
    config = v3(space, "size1m")
    net = replace(config.net, units=units, hidden=units, deter=deter, classes=classes, depth=depth, codec="stride5")
    return replace(
        config,
        net=net,
        behaviour=replace(config.behaviour, imag_last=16),
        optimizer=replace(config.optimizer, lr=4e-4, warmup=200),
    )
