"""The bundle adjustment as a whole: on small simulated rigs it finds the truth, says how sure it is, and says when it did not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_bundles import RIGS, Bundle, disturbed, make_bundle, plain_residuals

from bodydouble.calibration import rotation
from bodydouble.calibration.bundle.adjust import Adjustment, adjust
from bodydouble.calibration.bundle.slack import Slack
from bodydouble.calibration.bundle.state import State, layout
from bodydouble.errors import DataError


def solved(bundle: Bundle, start: State | None = None, **kwargs) -> Adjustment:
    return adjust(disturbed(bundle) if start is None else start, bundle.structure, bundle.views, bundle.where, bundle.priors, **kwargs)


def errors(bundle: Bundle, state: State) -> np.ndarray:
    """Return (size,) how far the global unknowns are from the truth."""
    error = np.zeros(bundle.where.size + 1)
    for c, (model, true) in enumerate(zip(state.models, bundle.state.models, strict=True)):
        error[bundle.where.intrinsics[c, : len(true.parameters)]] = model.parameters - true.parameters
    for at, T, true in (
        (bundle.where.mount, state.T_body_camera, bundle.state.T_body_camera),
        (bundle.where.target, state.T_room_target, bundle.state.T_room_target),
    ):
        turned = rotation.log(np.swapaxes(true[:, :3, :3], 1, 2) @ T[:, :3, :3])
        error[at] = np.concatenate([turned, T[:, :3, 3] - true[:, :3, 3]], axis=1)
    error[bundle.where.offset] = state.offset_s - bundle.state.offset_s
    return error[:-1]


def surprise(bundle: Bundle, found: Adjustment) -> float:
    """Return the mean square error of the global unknowns in sigmas, correlations regarded: about 1."""
    error = errors(bundle, found.state)
    return float(error @ np.linalg.solve(found.covariance, error)) / len(error)


@pytest.mark.parametrize("rig", RIGS)
@pytest.mark.parametrize("order", [1, 3])
def test_without_noise_the_truth_is_found(rig, order):
    bundle = make_bundle(rig, order=order, moments=10, points=12, size_m=0.9)
    if order > 1:  # a prior on how things move pulls at them
        loose = replace(bundle.priors.motion, velocity=(50.0, 50.0), acceleration=(1e3, 1e3))
        bundle = replace(bundle, priors=replace(bundle.priors, motion=loose, offset_sigma_s=0.05))
    bundle = replace(bundle, priors=replace(bundle.priors, aspect_sigma=1e3))
    found = solved(bundle, tolerance=1e-5)
    assert found.converged
    assert np.abs(found.residual).max() < 0.02
    sigma = np.sqrt(np.diag(found.covariance))
    assert (np.abs(errors(bundle, found.state)) < 0.5 * sigma).all(), "well within what corners of 0.01 px, the least believed, tell"
    assert np.abs(errors(bundle, disturbed(bundle)) / sigma).max() > 10, "it started far off"


@pytest.mark.parametrize("rig", ["moving board", "moving head", "two bodies", "all at once"])
@pytest.mark.parametrize("order", [1, 3])
def test_errors_are_as_large_as_the_covariance_says(rig, order):
    surprises, noise = [], []
    for seed in range(4):
        bundle = make_bundle(rig, order=order, moments=12, points=14, size_m=0.9, noise_px=0.15, seed=seed)
        found = solved(bundle)
        assert found.converged
        surprises.append(surprise(bundle, found))
        noise.append(found.noise_px)
    assert 0.6 < np.mean(surprises) < 1.6
    assert np.mean(noise) == pytest.approx(0.15 / np.sqrt(0.91), rel=0.08)


@pytest.mark.parametrize("rig", ["moving board", "moving head"])
def test_a_tenth_of_wrong_points_and_a_wrong_view_do_little_harm(rig):
    clean = make_bundle(rig, moments=12, points=14, size_m=0.9, noise_px=0.15)
    random = np.random.default_rng(9)
    wrong = random.random(clean.views.point.shape) < 0.1
    wrong[5] = True
    error = np.where(wrong[..., None], random.uniform(-60, 60, clean.views.pixels.shape), 0.0)
    error[5] = [40.0, -25.0]
    spoiled = replace(clean, views=replace(clean.views, pixels=clean.views.pixels + error))
    good, found = solved(clean), solved(spoiled)
    assert found.converged
    assert surprise(spoiled, found) < 2
    assert np.abs(found.noise_px / good.noise_px - 1).max() < 0.6
    far = np.linalg.norm(error, axis=-1) > 5
    assert found.weight[far].max() < 0.05
    assert np.median(found.weight[~wrong]) > 0.8
    assert np.median(np.linalg.norm(found.residual[far] + error[far], axis=-1)) < 1, "their residual is their error"


def test_clocks_and_rates_are_found_from_what_moves():
    bundle = make_bundle("moving head", order=3, moments=12, points=14, size_m=0.9, noise_px=0.1)
    found = solved(bundle)
    assert np.abs(bundle.state.offset_s).max() > 2e-3
    assert np.abs(found.state.offset_s - bundle.state.offset_s).max() < 1e-3
    assert found.state.offset_s[0] == 0.0, "the first clock is held"
    off = np.abs(found.state.rates - bundle.state.rates)[:, :, 0]
    assert np.median(off) < 0.1 * np.median(np.abs(bundle.state.rates[:, :, 0]))


@pytest.mark.parametrize(("points", "share", "bias"), [(6, 0.25, 0.10), (20, 0.075, 0.03)])
def test_noise_is_found_though_the_unknowns_take_up_a_share_of_it(points, share, bias):
    noise, plain = [], []
    for seed in range(6):
        bundle = make_bundle("moving board", moments=12, points=points, size_m=0.9, noise_px=0.2, seed=seed, lenses=("fisheye",))
        found = solved(bundle)
        assert (bundle.where.size + 12 * 6) / found.residual.size == pytest.approx(share, abs=1e-3)
        noise.append(found.noise_px)
        plain.append(found.residual.std())
    # What a robust fit takes up is more than what least squares do, which the correction is made for: the rest of the bias is known.
    assert np.mean(noise) == pytest.approx(0.2 / np.sqrt(0.91) * (1 - bias), rel=0.03)
    assert np.mean(plain) < 0.2 * np.sqrt(1 - share) * 1.05


def test_stamps_that_jitter_are_taken_for_what_they_are():
    with_slack, plain, noise = [], [], []
    for seed in range(3):
        bundle = make_bundle("moving board", order=3, moments=20, points=14, noise_px=0.05, jitter_s=0.004, seed=seed)
        plain.append(surprise(bundle, solved(bundle)))
        bundle = replace(bundle, priors=replace(bundle.priors, slack=Slack(1e-3, 3e-4, 5e-3)))
        found = solved(bundle)
        with_slack.append(surprise(bundle, found))
        noise.append(found.noise_px)
        assert 0.002 < found.slack.time_s < 0.006
    assert np.mean(with_slack) < 2
    assert np.mean(with_slack) < 0.5 * np.mean(plain)
    assert np.mean(noise) == pytest.approx(0.05, rel=0.2)


def test_views_of_what_stands_still_have_no_deviation_of_their_own():
    bundle = make_bundle("moving head", noise_px=0.1)
    slack = replace(bundle, priors=replace(bundle.priors, slack=Slack(1e-3, 1e-3)))
    found, same = solved(bundle), solved(slack)
    assert not same.slack
    assert np.array_equal(found.covariance, same.covariance)


def test_a_camera_whose_corners_are_less_exact_is_told_from_the_others():
    bundle = make_bundle("moving head", moments=12, points=14)
    sigma = np.array([0.1, 0.1, 0.4])[bundle.views.camera]
    pixels = bundle.views.pixels + np.random.default_rng(0).normal(0, 1, bundle.views.pixels.shape) * sigma[:, None, None]
    found = solved(replace(bundle, views=replace(bundle.views, pixels=pixels)))
    assert found.noise_px == pytest.approx(np.array([0.1, 0.1, 0.4]) / np.sqrt(0.91), rel=0.15)


def test_what_is_held_stays_and_what_was_given_is_not_changed():
    bundle = make_bundle("two bodies", order=2, noise_px=0.1)
    start = disturbed(bundle)
    before = [T.copy() for T in (start.T_body_camera, start.T_room_target, start.T_room_knot, start.rates)]
    found = solved(bundle, start).state
    assert np.array_equal(found.T_body_camera[[0, 2]], bundle.state.T_body_camera[[0, 2]])
    assert np.array_equal(found.T_room_target[0], bundle.state.T_room_target[0])
    for one, other in zip(before, (start.T_body_camera, start.T_room_target, start.T_room_knot, start.rates), strict=True):
        assert np.array_equal(one, other)


def test_residuals_and_weights_are_those_of_the_state_returned():
    bundle = make_bundle("moving head", noise_px=0.1)
    hidden = np.zeros(bundle.views.point.shape, dtype=bool)
    hidden[::3, 2] = True
    bundle = replace(bundle, views=bundle.views.without(hidden))
    found = solved(bundle)
    assert np.allclose(found.residual, plain_residuals(bundle, found.state), rtol=0, atol=1e-9)
    assert not found.weight[hidden].any()
    assert not found.residual[hidden].any()
    assert ((found.weight[~hidden] > 0) & (found.weight[~hidden] <= 1.4)).all()


def test_progress_is_told_of_every_step():
    told: list[int] = []
    found = solved(make_bundle(noise_px=0.1), progress=told.append)
    assert told == list(range(1, found.steps + 1))
    assert found.steps > 2


def test_too_few_steps_are_not_called_converged():
    bundle = make_bundle(noise_px=0.1)
    assert solved(bundle).converged
    for steps in (1, 2):
        found = solved(bundle, steps=steps)
        assert found.steps == steps
        assert not found.converged


def test_what_has_settled_stays_when_it_is_adjusted_again():
    bundle = make_bundle(noise_px=0.1, points=10, size_m=0.9)
    found = solved(bundle)
    again = solved(bundle, found.state)
    assert again.converged
    sigma = np.sqrt(np.diag(found.covariance))
    assert np.abs((errors(bundle, again.state) - errors(bundle, found.state)) / sigma).max() < 0.05
    assert again.noise_px == pytest.approx(found.noise_px, rel=1e-2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rig", ["two bodies", "moving head"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_start_that_leads_nowhere_ends_and_is_not_called_converged(rig, seed):
    bundle = make_bundle(rig, moments=6, points=8, noise_px=0.1, seed=seed)
    start = disturbed(replace(bundle, where=layout(*_nothing_free(bundle))), 60.0)
    try:
        found = solved(bundle, start)
    except DataError as error:
        assert "could not be solved" in str(error)  # noqa: PT017 - either way of stopping will do
    else:
        lost = float(np.nanmedian(np.abs(found.residual))) > 1.0
        assert not (lost and found.converged)
        assert found.steps <= 100


def _nothing_free(bundle: Bundle) -> tuple[np.ndarray, ...]:
    cameras, targets = len(bundle.state.models), len(bundle.structure.chain_of_target)
    held = np.zeros(cameras, dtype=bool)
    return np.zeros(bundle.where.intrinsics.shape, dtype=bool), held, held, np.zeros(targets, dtype=bool)


def test_a_target_that_nobody_saw_cannot_be_solved_and_the_error_says_what_to_film():
    bundle = make_bundle("moving head", noise_px=0.1)
    blind = replace(bundle, views=bundle.views.select(bundle.views.target != 1))
    with pytest.raises(DataError, match=r"not tied to the others.*Film the board where two cameras see it"):
        solved(blind)


def test_without_any_view_there_is_an_error_too():
    bundle = make_bundle("moving head")
    with pytest.raises(DataError, match="could not be solved"):
        solved(replace(bundle, views=bundle.views.select(np.zeros(0, dtype=np.int64))))


def test_moments_without_views_stay_where_they_were_or_between_their_neighbours():
    for order in (1, 3):
        bundle = make_bundle("moving head", order=order, moments=8, noise_px=0.1)
        start = disturbed(bundle)
        found = solved(replace(bundle, views=bundle.views.select(bundle.views.moment != 3)), start)
        gone = np.linalg.norm(found.state.T_room_knot[0, 3, :3, 3] - start.T_room_knot[0, 3, :3, 3])
        assert found.converged
        assert gone == 0.0 if order == 1 else gone > 1e-4
