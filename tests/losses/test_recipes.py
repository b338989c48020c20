from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from napari_swinfusion.errors import ConfigError, InputError
from napari_swinfusion.losses import disagreement, edge_transfer_loss, focus_cross_entropy, focus_target, log_error
from napari_swinfusion.losses.recipes import RECIPES, get_recipe
from napari_swinfusion.networks import Fused
from napari_swinfusion.training.objective import objective
from napari_swinfusion.training.samples import Batch, draw_batch

UNSUPERVISED = [name for name, recipe in RECIPES.items() if not recipe.needs_truth]


@pytest.fixture(scope="module", params=[2, 5], ids="{}-planes".format)
def batch(request: pytest.FixtureRequest) -> Batch:
    return draw_batch(
        torch.Generator().manual_seed(4), n=request.param, size=64, planes_per_step=4 * request.param, textures=[]
    )


def right_mask(batch: Batch) -> Tensor:
    return focus_target(batch.clean, batch.truth, tolerance=0.003 + 0.3 * batch.noise, distance=batch.distance)


def evidence(batch: Batch, weights: Tensor) -> dict[str, Tensor | None]:
    return {"focus": weights, "clean": batch.clean, "noise": batch.noise, "distance": batch.distance}


def image_of(weights: Tensor, batch: Batch) -> Tensor:
    return (weights * batch.planes).sum(1)


@pytest.mark.parametrize("name", RECIPES)
def test_the_right_mask_costs_less_than_the_wrong_one(name: str, batch: Batch) -> None:
    right = right_mask(batch)
    wrong = right.roll(1, 1)
    recipe = get_recipe(name)
    cost = [
        recipe(image_of(mask, batch), mask, batch.planes, batch.truth, **evidence(batch, mask))
        for mask in (right, wrong)
    ]
    assert cost[0].shape == batch.truth.shape[:1]
    assert cost[0].mean() < cost[1].mean()


@pytest.mark.parametrize("name", RECIPES)
def test_every_term_sends_a_finite_gradient_to_the_weights(name: str, batch: Batch) -> None:
    everything = get_recipe(name, weights=dict.fromkeys(RECIPES[name].parts, 1.0))
    scores = torch.randn(batch.planes.shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = scores.softmax(1)
    told = evidence(batch, weights)
    terms = {}
    for facts in (told, {**told, "focus": None}):
        terms |= everything.terms(image_of(weights, batch), weights, batch.planes, batch.truth, **facts)
    assert terms.keys() == RECIPES[name].parts.keys()
    for term, value in terms.items():
        (gradient,) = torch.autograd.grad(value.sum(), scores, retain_graph=True)
        assert torch.isfinite(gradient).all(), term
        assert gradient.abs().sum() > 0, term


@pytest.mark.parametrize("name", UNSUPERVISED)
def test_no_truth_is_needed_and_none_is_looked_at(name: str, batch: Batch) -> None:
    weights = right_mask(batch)
    without = get_recipe(name)(image_of(weights, batch), weights, batch.planes, focus=weights)
    given = get_recipe(name)(image_of(weights, batch), weights, batch.planes, batch.truth, **evidence(batch, weights))
    assert torch.equal(without, given)


@pytest.mark.parametrize("name", UNSUPERVISED)
def test_an_even_stack_costs_nothing_but_its_weights(name: str) -> None:
    # All planes alike: any weights give the one right image, whose detail, light and structure are the sources'.
    plane = torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    terms = get_recipe(name).terms(plane[:, 0], torch.full((1, 3, 24, 24), 1 / 3), plane.expand(1, 3, 24, 24))
    about_weights = {term for term, part in RECIPES[name].parts.items() if part.of == "weights"}
    for term, value in terms.items():
        if term not in about_weights:
            # The Charbonnier loss ends at its epsilon.
            assert value.item() == pytest.approx(0, abs=1.1e-3 if name == "microscopy" else 1e-6), term


def test_a_painted_image_is_judged_without_the_terms_about_weights(batch: Batch) -> None:
    painted = batch.planes.mean(1)
    assert get_recipe("original").terms(painted, None, batch.planes).keys() == {"gradient", "intensity"}
    assert get_recipe("supervised").terms(painted, None, batch.planes, batch.truth).keys() == {"image"}


def test_supervised_is_the_log_error_and_a_fifth_of_the_focus(batch: Batch) -> None:
    generator = torch.Generator().manual_seed(1)
    weights, focus = torch.randn(2, *batch.planes.shape, generator=generator).softmax(2)
    fused = Fused(image_of(weights, batch), weights, focus)
    found = objective(fused, batch, get_recipe("supervised"))
    image = log_error(image_of(weights, batch), batch.truth).mean()
    choice = focus_cross_entropy(focus, right_mask(batch)).mean()
    assert found.terms["image"] == pytest.approx(image)
    assert found.terms["focus"] == pytest.approx(choice)
    assert found.loss.item() == pytest.approx((image + 0.2 * choice).item())


def test_agreement_of_weight_one_is_part_of_the_error(batch: Batch) -> None:
    weights = torch.randn(batch.planes.shape, generator=torch.Generator().manual_seed(1)).softmax(1)
    fused = Fused(image_of(weights, batch), weights, weights)
    apart = {"focus": 0.0, "image": 1.0, "agreement": 1.0}
    found = objective(fused, replace(batch, opaque=None), get_recipe("supervised", weights=apart)).loss
    image = image_of(weights, batch)
    off = 0.2 * disagreement(image, weights, batch.planes, batch.noise)
    assert found.item() == pytest.approx((log_error(image, batch.truth).exp() + off).log().mean().item())


def test_planes_need_not_agree_where_light_adds_up(batch: Batch) -> None:
    weights = torch.randn(batch.planes.shape, generator=torch.Generator().manual_seed(1)).softmax(1)
    opaque = torch.arange(len(weights)) % 2 == 0
    recipe = get_recipe("supervised", weights={"focus": 0.0, "image": 0.0, "agreement": 1.0})
    arguments = (image_of(weights, batch), weights, batch.planes, batch.truth)
    everywhere = recipe.terms(*arguments, **evidence(batch, weights))["agreement"]
    some = recipe.terms(*arguments, **evidence(batch, weights), opaque=opaque)["agreement"]
    assert (everywhere > 0).all()
    assert torch.equal(some, everywhere * opaque)
    fused = Fused(image_of(weights, batch), weights, weights)
    told = objective(fused, replace(batch, opaque=opaque), recipe).terms["agreement"]
    assert told.item() == pytest.approx(some.mean().item())


def test_the_edges_asked_for_are_those_of_the_truth(batch: Batch) -> None:
    recipe = get_recipe("supervised", weights={"focus": 0.0, "image": 0.0, "transfer": 2.0})

    def missing(image: Tensor) -> Tensor:
        weights = torch.full_like(batch.planes, 1 / batch.planes.shape[1])
        return recipe(image, weights, batch.planes, batch.truth, **evidence(batch, weights))

    assert missing(batch.truth).abs().max().item() < 1e-5
    mean = batch.planes.mean(1)
    assert missing(mean).tolist() == pytest.approx((2 * edge_transfer_loss(mean, batch.truth[:, None])).tolist())
    assert (missing(mean) > 0.1).all()


def test_weights_are_overridden_one_by_one() -> None:
    recipe = get_recipe("microscopy", weights={"total_variation": 0.5})
    assert recipe.weights == {**RECIPES["microscopy"].weights, "total_variation": 0.5}
    assert recipe.total({"total_variation": torch.tensor([2.0]), "binarisation": torch.tensor([100.0])}).item() == (
        pytest.approx(1 + 100 * RECIPES["microscopy"].weights["binarisation"])
    )


def test_weights_that_make_no_loss_are_refused() -> None:
    for weight in (-1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="number from 0 up"):
            get_recipe("lytro", weights={"detail": weight})
    with pytest.raises(ConfigError, match="leave at least one"):
        get_recipe("lytro", weights=dict.fromkeys(RECIPES["lytro"].parts, 0.0))


def test_what_is_unknown_is_refused_and_the_nearest_named(batch: Batch) -> None:
    with pytest.raises(ConfigError, match="did you mean 'microscopy'"):
        get_recipe("microscope")
    with pytest.raises(ConfigError, match="did you mean 'total_variation'"):
        get_recipe("lytro", weights={"total_variaton": 1.0})
    with pytest.raises(ConfigError, match="did you mean 'distance'"):
        get_recipe("supervised")(batch.truth, None, batch.planes, batch.truth, distances=batch.distance)
    with pytest.raises(InputError, match="needs 'truth'"):
        get_recipe("supervised")(batch.truth, None, batch.planes)
