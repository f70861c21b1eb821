"""The contract of every component in the tables; a new one needs no line here."""

import ast
import copy
import dataclasses
import inspect
import json
import math
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.latency.settings import DTYPES
from nas_explorer.search_space.components.base import (
    Component,
    Head,
    Norm,
    Resampler,
    TokenMixer,
    field_domains,
    field_kinds,
)
from nas_explorer.search_space.components.canonical import canonical_component
from nas_explorer.search_space.components.layers.folding import fold, foldable
from nas_explorer.search_space.components.tables import (
    TABLES,
    component_from_data,
    component_to_data,
)
from nas_explorer.search_space.components.wired import Block, Residual
from nas_explorer.search_space.domains import Positive
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn

from ..knobs import one_by_one, opposites
from ..search_space.tensors import randomised
from .cases import OUT, SHAPES, built, every_class, image, part_list, refusal, shared_cases


def variants(cls: type[Component]) -> Iterator[Component]:
    """Yield the default, and the default with one knob changed, for each knob."""
    default = cls()
    yield default
    yield from (each for each in one_by_one(cls) if each != default)


@cache
def documented(base: type[Component]) -> set[str]:
    """Return the fields of a class itself with a docstring; none may be empty."""
    found: set[str] = set()
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
    assert isinstance(tree, ast.ClassDef)
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(field.target, ast.Name)
            assert isinstance(text.value, ast.Constant) and text.value.value.strip()
            found.add(field.target.id)
    return found


def assert_finite_training(module: nn.Module, x: Tensor, *, autocast: bool) -> None:
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        y = module(x)
    assert y.isfinite().all()
    y.float().square().sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    if autocast and y.dim() == 4 and y.shape[-1] == 1:
        return  # torch 2.15 leaves bfloat16 weight gradients of such convolutions unset on the CPU
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"{name} has no gradient"
            assert parameter.grad.isfinite().all(), name


@every_class
def test_docstring_names_the_source(cls: type[Component]) -> None:
    traits = cls.traits.paper if issubclass(cls, TokenMixer) else ""
    if cls.name != "none":
        assert re.search(r"(19|20)\d\d", f"{cls.__doc__} {traits}"), "a year is missing"
    assert re.fullmatch(r"[a-z][a-z0-9_]*", cls.name)


@every_class
def test_every_field_has_a_docstring_and_a_domain(cls: type[Component]) -> None:
    assert "__dataclass_params__" in vars(cls), "it must be a dataclass of its own"
    bases = [base for base in cls.__mro__ if issubclass(base, Component) and base is not Component]
    documented_fields = set[str]().union(*map(documented, bases))
    assert set(cls.added) <= documented_fields
    for field in dataclasses.fields(cls):
        assert field.name in documented_fields
        assert field.name in field_domains(cls) or field.name in field_kinds(cls)


@every_class
def test_is_a_frozen_value_and_survives_json(cls: type[Component]) -> None:
    for component in variants(cls):
        data = json.loads(json.dumps(component_to_data(component)))
        kind = next(kind for kind in TABLES if issubclass(cls, kind))
        again = component_from_data(kind, data, "here")
        assert again == component and hash(again) == hash(component)
        assert component.label().startswith(component.name)
        for field in dataclasses.fields(cls):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(component, field.name, getattr(component, field.name))


@every_class
def test_refuses_what_is_outside_a_domain(cls: type[Component]) -> None:
    for name in (*field_domains(cls), *field_kinds(cls)):
        for value in ("nonsense", None, -1, float("nan"), float("inf"), 10**30, [], object()):
            with pytest.raises(InputError) as caught:
                cls(**{name: value})
            rule, _, given = str(caught.value).partition(", but got ")
            assert rule.startswith(f"{name} must ") and given and "\n" not in given
    default = component_to_data(cls())
    kind = next(kind for kind in TABLES if issubclass(cls, kind))
    with pytest.raises(InputError, match=r"must be one of.*but got 'sprocket'"):
        component_from_data(kind, {**default, "sprocket": 1}, "here")


@every_class
def test_refusals_give_the_rule_and_the_value(cls: type[Component]) -> None:
    possible = 0
    for component in variants(cls):
        for shape in SHAPES:
            reason = refusal(component, shape)
            possible += reason is None
            if reason is not None:
                assert "must" in reason and re.search(r"\d", reason) and "\n" not in reason
    if cls.name != "none":
        assert possible >= 3, "hardly anything can be built"


@every_class
def test_output_has_the_shape_that_was_promised(cls: type[Component]) -> None:
    for case in shared_cases(cls):
        parts = case.module.parts
        promised = parts[-1].out_shape if parts else case.shape
        assert tuple(case.y.flatten(1).shape) == (2, promised.channels * promised.tokens)
        if not isinstance(case.component, Head):
            assert case.y.shape == (2, *promised)
        if isinstance(case.component, Resampler):
            assert promised == case.component.out_shape(case.shape, OUT)


@every_class
def test_says_whether_its_weights_are_for_maps_of_one_size(cls: type[Component]) -> None:
    if issubclass(cls, Block | Residual | TokenMixer):
        return  # composed of others; every variant of mixers is tested elsewhere
    sizes = [
        {name: value.shape for name, value in cls().module(shape, OUT).state_dict().items()}
        for shape in (Shape(32, 16, 16), Shape(32, 20, 20))
    ]
    assert (sizes[0] == sizes[1]) == cls.any_resolution() == cls.any_size_program()


@every_class
def test_what_is_not_refused_runs_on_one_place(cls: type[Component]) -> None:
    """Also for one image; ``benchmarks/corners.py`` tests all corners of the knobs."""
    for component in (cls(), *opposites(cls)):
        for shape in (Shape(1, 1, 1), Shape(8, 1, 1)):
            if refusal(component, shape) is None:
                assert built(component, shape).eval()(image(shape, 1)).isfinite().all()


@every_class
def test_trains_finitely_in_float32_and_bfloat16(cls: type[Component]) -> None:
    for case in shared_cases(cls):
        module = case.trainable()
        x = image(case.shape, 2 if case.shape.tokens > 1 else 3)
        assert_finite_training(module, x, autocast=False)
        assert_finite_training(module, 30 * x, autocast=True)
        if case.shape == SHAPES[0]:
            assert_finite_training(case.trainable(), torch.ones(2, *case.shape), autocast=False)


@every_class
def test_runs_in_every_precision_that_latency_is_timed_in(cls: type[Component]) -> None:
    for case in shared_cases(cls):
        if case.component == cls() and case.shape != SHAPES[1]:
            continue
        for dtype in (getattr(torch, name) for name in DTYPES):
            module = copy.deepcopy(case.folded).to(dtype)
            with torch.inference_mode():
                y = module(case.x.to(dtype))
            assert y.dtype == dtype and y.isfinite().all()


@every_class
def test_an_output_holds_no_more_memory_than_it_needs(cls: type[Component]) -> None:
    """A map that stays live has the bytes of its shape."""
    for case in shared_cases(cls):
        with torch.no_grad():
            y = case.folded(case.x)
        own, given = y.untyped_storage(), case.x.untyped_storage()
        assert own.data_ptr() == given.data_ptr() or own.nbytes() == y.nbytes


@every_class
def test_memory_layout_does_not_matter(cls: type[Component]) -> None:
    for case in shared_cases(cls):
        module = copy.deepcopy(case.module).to(memory_format=torch.channels_last)
        with torch.no_grad():
            last = module(case.x.contiguous(memory_format=torch.channels_last))
        assert torch.allclose(last, case.y, rtol=1e-4, atol=1e-5)


@every_class
def test_images_of_a_batch_do_not_mix_when_the_network_is_used(cls: type[Component]) -> None:
    mixed = issubclass(cls, TokenMixer) and cls.traits.mixes_images
    for case in shared_cases(cls):
        with torch.no_grad():
            alone = torch.cat([case.module(case.x[:1]), case.module(case.x[1:])])
        assert torch.allclose(case.y, alone, rtol=1e-4, atol=1e-5) != mixed


@every_class
def test_a_seed_decides_the_weights(cls: type[Component]) -> None:
    for case in shared_cases(cls):
        first = case.module.state_dict()
        second = built(case.component, case.shape).state_dict()
        assert first.keys() == second.keys()
        for name, value in first.items():
            assert torch.equal(value, second[name]), name


@every_class
def test_the_folded_form_is_the_same_function(cls: type[Component]) -> None:
    for case in shared_cases(cls):
        if foldable(case.module):
            # in double precision, since norms of few numbers amplify rounding errors
            module, x = randomised(case.trainable()).double(), case.x.double()
            expected = module(x)
            state = torch.get_rng_state()
            folded = fold(module)
            assert torch.equal(torch.get_rng_state(), state), "folding draws random numbers"
            assert not foldable(folded) and foldable(module)
            assert torch.allclose(folded(x), expected, rtol=1e-6, atol=1e-7)


def reaching(name: str, value: Tensor, like: Tensor) -> Tensor:
    """Return the part of a parameter that reaches a small map, with the shape of ``like``.

    It is the central part, but the last taps of a causal kernel, and the first rows and columns of
    a square of distances.
    """
    if name.endswith("past.weight"):
        return value[..., -like.shape[-1] :]
    if name.endswith("bias_hD"):
        side, kept = math.isqrt(value.shape[1]), math.isqrt(like.shape[1])
        if side**2 == value.shape[1] and kept**2 == like.shape[1]:
            return value.unflatten(1, (side, side))[:, :kept, :kept].flatten(1)
    for axis, (have, want) in enumerate(zip(value.shape, like.shape, strict=True)):
        assert (have - want) % 2 == 0
        value = value.narrow(axis, (have - want) // 2, want)
    return value


@every_class
def test_canonical_form_is_the_same_function(cls: type[Component]) -> None:
    for case in shared_cases(cls):
        component, shape = case.component, case.shape
        canonical = canonical_component(component, shape)
        assert type(canonical) is cls
        assert canonical_component(canonical, shape) == canonical
        assert refusal(canonical, shape) is None
        if canonical == component:
            continue  # equal values give equal networks
        other = built(canonical, shape).eval()
        weights = other.state_dict()
        given = case.module.state_dict()
        assert weights.keys() == given.keys()
        other.load_state_dict(
            {name: reaching(name, given[name], weights[name]) for name in weights}
        )
        with torch.no_grad():
            assert torch.allclose(other(case.x), case.y, rtol=1e-4, atol=1e-5)


@every_class
def test_equal_modules_have_one_canonical_form(cls: type[Component]) -> None:
    """Ratios with the same number of channels give the same network."""
    for component in variants(cls):
        shape = SHAPES[0]
        for name, domain in field_domains(cls).items():
            value: Any = getattr(component, name)
            if isinstance(domain, Positive) and ("ratio" in name or name == "expansion"):
                near = dataclasses.replace(component, **{name: value * 1.00001})
                assert canonical_component(near, shape) == canonical_component(component, shape)


@every_class
def test_absent_components_do_nothing(cls: type[Component]) -> None:
    if cls.is_identity:
        shape = SHAPES[0]
        x = image(shape)
        module = cls().module(shape, shape.channels)
        assert torch.equal(module(x), x) and not list(module.parameters())
        assert not part_list(cls(), shape).parts


@every_class
def test_exact_zero_images_stay_finite(cls: type[Component]) -> None:
    for case in shared_cases(cls):
        if isinstance(case.component, Norm) or case.shape == SHAPES[0]:
            assert case.trainable()(torch.zeros(2, *case.shape)).isfinite().all()
