"""Encoders, decoders and reconstruction losses of V3 against the published numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.nn.distributions import symexp
from models.rssm.codec import Decoder, Encoder
from models.rssm.config import LossConfig, RssmConfig, SpaceConfig, cpu, v1, v2, v3
from models.rssm.recon import moved, recon_losses
from tests.dreamer_golden import Arrays, assert_close, dreamer
from tests.dreamer_nets import images, load_part, tiny_v3

IMAGES = {"rgb64": "pool5", "gray96": "pool5", "rgb64_strided": "stride5"}


def image_config(name: str, part: str) -> tuple[RssmConfig, Arrays]:
    """The golden encoder and decoder have different depths."""
    arrays = dreamer("encdec").at(name)
    space = SpaceConfig(tuple(arrays["enc/image"].shape[2:]))
    stoch, classes = arrays["dec/stoch"].shape[-2:]
    hidden = arrays["dec/weights/sp1/bias"].shape[0] // 2
    sizes = {"deter": arrays["dec/deter"].shape[-1], "stoch": stoch, "classes": classes, "units": hidden}
    widths = {"enc": arrays["enc/weights/cnn0/bias"], "dec": arrays["dec/weights/conv0/bias"]}
    depth = widths[part].shape[0] // 2
    return tiny_v3(space, **sizes, depth=depth, codec=IMAGES[name]), arrays


@pytest.mark.parametrize("name", IMAGES)
def test_image_encoder_is_the_published_one(name: str) -> None:
    """Catches: pooling after the norm, pixels not centred, or tokens flattened channel first."""
    config, arrays = image_config(name, "enc")
    encoder = Encoder(config)
    load_part(encoder, "enc", arrays.at("enc/weights"), config)
    tokens = encoder({"image": images(arrays["enc/image"])})
    assert_close(tokens, arrays["enc/tokens"])
    assert encoder.size == tokens.shape[-1]


@pytest.mark.parametrize("name", IMAGES)
def test_image_decoder_is_the_published_one(name: str) -> None:
    """Catches: blocks of deter laid out by pixel, a missing sigmoid, a loss that is a mean over pixels."""
    config, arrays = image_config(name, "dec")
    decoder = Decoder(config)
    load_part(decoder, "dec", arrays.at("dec/weights"), config)
    predicted = decoder(arrays["dec/deter"], arrays["dec/stoch"])
    assert_close(predicted["image"], images(arrays["dec/pred"]))
    losses = recon_losses(config, predicted, {"image": images(arrays["enc/image"])})
    assert_close(losses["image"], arrays["dec/loss_vs_enc_image"])


def vector_config() -> tuple[RssmConfig, Arrays]:
    """The golden's class observation stands among the vectors, its one-hot where symlog gives 0 and 1."""
    arrays = dreamer("encdec").at("vector")
    space = SpaceConfig((), (("b_vec", 5), ("a_scalar", 1), ("c_disc", 4)))
    return tiny_v3(space, deter=16, stoch=3, classes=4, units=8), arrays


def vectors(arrays: Arrays) -> dict[str, Tensor]:
    classes = symexp(F.one_hot(arrays["obs/c_disc"].long(), 4).float())
    return {"a_scalar": arrays["obs/a_scalar"][..., None], "b_vec": arrays["obs/b_vec"], "c_disc": classes}


def test_vector_encoder_is_the_published_one() -> None:
    """Catches: vectors joined in the order of the configuration instead of by name, or not in symlog space."""
    config, arrays = vector_config()
    encoder = Encoder(config)
    load_part(encoder, "enc", arrays.at("enc/weights"), config)
    assert_close(encoder(vectors(arrays)), arrays["enc/tokens"])


def test_vector_decoder_is_the_published_one() -> None:
    """Catches: deter before stoch in the decoder's input, or errors taken outside of symlog space."""
    config, arrays = vector_config()
    config = replace(config, net=replace(config.net, units=6))
    weights = {name.replace("/logits/", "/pred/"): a for name, a in arrays.at("dec/weights").arrays.items()}
    decoder = Decoder(config)
    load_part(decoder, "dec", Arrays(weights), config)
    predicted = decoder(arrays["dec/deter"], arrays["dec/stoch"])
    losses = recon_losses(config, predicted, vectors(arrays))
    for name in ("a_scalar", "b_vec"):
        assert_close(predicted[name].reshape(arrays[f"dec/{name}/pred"].shape), arrays[f"dec/{name}/pred"])
        assert_close(losses[name], arrays[f"dec/{name}/loss"])
    assert torch.equal(predicted["c_disc"].argmax(-1), arrays["dec/c_disc/pred"].long())


def test_moving_pixels_weigh_more() -> None:
    """Catches: a change of byte values that wraps around, a weight on still pixels or on the first frame."""
    image = torch.full((1, 3, 2, 4, 4), 250, dtype=torch.uint8)
    image[0, 1, 1, 0, 0] = 4
    image[0, 2, 1, 0, 0] = 12
    image[0, 2, 0, 3, 3] = 200
    want = torch.zeros(1, 3, 4, 4)
    want[0, 1, 0, 0] = want[0, 2, 3, 3] = 1
    assert torch.equal(moved(image), want)
    config = tiny_v3(SpaceConfig((16, 16, 2)))
    weighted = replace(config, loss=LossConfig(motion_weight=3.0))
    guess = {"image": torch.rand(1, 3, 2, 4, 4)}
    plain = recon_losses(config, guess, {"image": image})["image"]
    got = recon_losses(weighted, guess, {"image": image})["image"]
    extra = ((guess["image"] - image / 255).square().sum(2) * want).sum((-1, -2))
    assert_close(got, plain + 3 * extra)


def test_normal_likelihood_halves_errors() -> None:
    """Catches: V1 and V2 weighing pictures twice against their divergence."""
    obs = {"image": torch.randint(0, 256, (2, 3, 3, 64, 64), dtype=torch.uint8)}
    guess = {"image": torch.rand(2, 3, 3, 64, 64)}
    half = recon_losses(v1(SpaceConfig()), guess, obs)["image"]
    assert_close(2 * half, recon_losses(v3(SpaceConfig()), guess, obs)["image"])


@pytest.mark.parametrize("make", [v1, v2, cpu])
def test_sizes_that_do_not_fit_are_refused(make: object) -> None:
    """Catches: an image whose size the stages cannot halve failing deep inside, or decoding to another size."""
    assert callable(make)
    with pytest.raises(ValueError, match=r"space.image: got 60 x 64"):
        Encoder(make(SpaceConfig((60, 64, 3))))


def test_decoded_pictures_have_the_size_of_the_observed() -> None:
    """Catches: height and width taken for one another."""
    config = tiny_v3(SpaceConfig((32, 64, 1), (("v", 2),)), codec="stride5", deter=16, units=8, depth=2)
    state = torch.zeros(2, 3, 16), torch.zeros(2, 3, 32, 4)
    predicted = Decoder(config)(*state)
    assert predicted["image"].shape == (2, 3, 1, 32, 64) and predicted["v"].shape == (2, 3, 2)
    assert 0 <= float(predicted["image"].detach().min()) <= float(predicted["image"].detach().max()) <= 1
