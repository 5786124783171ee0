"""The networks and optimisers of a learner, made of its settings."""

from typing import Any

from offctx.algos.context_inference.inference import ContextInference
from offctx.algos.context_inference.rows import NetworkShapes
from offctx.algos.dmash.backbones import make_backbone
from offctx.algos.dmash.encoder import make_encoder
from offctx.algos.dmash.impl import DMASHImpl, DMASHModules
from offctx.algos.dmash.settings import DMASHSettings
from offctx.errors import AlgorithmError


def make_impl(config: DMASHSettings, observation_shape: Any, action_size: int, device: str) -> DMASHImpl:
    """Networks and optimisers, untrained.

    Args:
        config: the learner's settings.
        observation_shape: of what the learner is given, (o,), or (o + p,) where the context is given.
        action_size: a.
        device: where the networks live.

    Raises:
        AlgorithmError: the context is given, and its bounds are not known yet; or observations are no vectors.
    """
    if len(observation_shape) != 1:
        raise AlgorithmError(f"expected observations that are vectors, of shape (o,); found shape {tuple(observation_shape)}")
    shapes = _shapes(config, int(observation_shape[0]), action_size)
    inference = _inference(config, shapes, device) if config.context == "inferred" else None
    backbone = make_backbone(config, shapes, device)
    modules = DMASHModules(
        backbone=backbone,
        inference=inference,
        actor_optim=backbone.optimisers["actor_optim"],
        critic_optim=backbone.optimisers["critic_optim"],
        temperature_optim=backbone.optimisers.get("temperature_optim"),
        inference_optim=None if inference is None else inference.optimiser,
    )
    return DMASHImpl(observation_shape, action_size, modules, config, device)


def _shapes(config: DMASHSettings, observation_size: int, action_size: int) -> NetworkShapes:
    """What all networks share.

    Args:
        config: the learner's settings.
        observation_size: of what the learner is given, o, or o + p where the context is given.
        action_size: a.
    """
    context_size = 0 if config.context_bounds is None else len(config.context_bounds[0])
    if config.context == "given" and not context_size:
        raise AlgorithmError('context="given" learns the bounds of contexts from a buffer: call fit or build_with_dataset')
    condition_size = {"none": 0, "given": context_size, "inferred": config.latent_size}[config.context]
    use = "none" if config.context == "none" else config.use
    identity = not config.follows_paper("plain-hypernetwork")
    return NetworkShapes(
        observation_size - context_size, action_size, use, condition_size, config.width, config.bottleneck, identity
    )


def _inference(config: DMASHSettings, shapes: NetworkShapes, device: str) -> ContextInference:
    encoder = make_encoder(shapes.observation_size, shapes.action_size, config)
    factory, rate = config.inference_optim_factory, config.inference_learning_rate
    loss, weight = config.encoder_loss, config.csro_weight
    return ContextInference(encoder, shapes, loss, factory, rate, device, csro_weight=weight)
