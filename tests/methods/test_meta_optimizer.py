"""Meta-optimisers against closed forms: one step, many tasks, and a quadratic."""

import copy

import pytest
import torch
from torch import nn

from fewgan.methods.meta_optimizer import MetaOptimizer, Task, descended, untouched

ALPHA = 0.1


def weights(*values):
    return nn.ParameterList([nn.Parameter(torch.tensor(v)) for v in values])


def pulled(module, target):
    """Half the squared distance from a target: its gradient is the difference."""
    return 0.5 * sum((p - target).square().sum() for p in module.parameters())


def learn(module, targets, rate=ALPHA):
    """A step of gradient descent towards each target in turn."""
    optimizer = torch.optim.SGD(module.parameters(), rate)
    for target in targets:
        optimizer.zero_grad()
        pulled(module, target).backward()
        optimizer.step()


def meta(module, epsilon=1.0, **options):
    return MetaOptimizer({"m": module}, torch.optim.SGD(module.parameters(), epsilon), **options)


@pytest.mark.parametrize("kind", ["reptile", "fomaml"])
def test_one_inner_step_at_full_rate_is_that_step(kind):
    one, other = weights([1.0, -2.0], [0.5]), weights([1.0, -2.0], [0.5])
    over = meta(one, kind=kind)
    with over.task():
        over.last_step()
        learn(one, [3.0])
    over.update()
    learn(other, [3.0])
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b)


def test_reptile_goes_a_share_of_the_way_and_fomaml_that_of_the_last_step():
    for kind, moved in (("reptile", 1 - 0.9**3), ("fomaml", 0.9**2 * ALPHA)):
        module = weights([0.0])
        over = meta(module, epsilon=0.25, kind=kind)
        with over.task():
            for left in (2, 1, 0):
                if not left:
                    over.last_step()
                learn(module, [1.0])
        assert module[0].item() == 0.0  # until the update it is where it was
        over.update()
        assert module[0].item() == pytest.approx(0.25 * moved)


def test_equal_tasks_in_a_batch_are_one_task_and_different_ones_are_averaged():
    module = weights([0.0])
    over = meta(module, epsilon=0.5)
    for target in (1.0, 1.0):
        with over.task():
            learn(module, [target])
    over.update()
    assert module[0].item() == pytest.approx(0.5 * ALPHA)
    for target in (1.0, -1.0):
        with over.task():
            learn(module, [target])
    before = module[0].item()
    over.update()
    assert module[0].item() == pytest.approx(before + 0.5 * ALPHA * (0.0 - before))


def test_as_a_gradient_for_adam():
    module = weights([0.0, 0.0])
    over = MetaOptimizer({"m": module}, torch.optim.Adam(module.parameters(), 0.01))
    with over.task():
        learn(module, [torch.tensor([1.0, -5.0])])
    over.update()
    torch.testing.assert_close(module[0].data, torch.tensor([0.01, -0.01]))  # Adam's first step


def test_maml_on_a_quadratic_is_the_closed_form_and_fomaml_is_it_with_constants():
    hessian = torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    start, target = torch.tensor([1.0, -1.0]), torch.tensor([0.3, 0.7])

    def loss(at, centre):
        x = at["m.0"] - centre
        return 0.5 * x @ hessian @ x

    def asked(first_order, steps):
        module = nn.ParameterList([nn.Parameter(start.clone())])
        over = meta(module)
        value = over.unrolled(loss, Task([target] * steps, -target), ALPHA, first_order=first_order)
        over.update()
        return start - module[0].detach(), value

    inner = torch.eye(2) - ALPHA * hessian  # d of one inner step
    for steps in (1, 3):
        there = target + torch.linalg.matrix_power(inner, steps) @ (start - target)
        slope = hessian @ (there + target)
        whole, value = asked(False, steps)
        torch.testing.assert_close(whole, torch.linalg.matrix_power(inner, steps) @ slope)
        torch.testing.assert_close(value, 0.5 * (there + target) @ slope)
        torch.testing.assert_close(asked(True, steps)[0], slope)


def test_an_unrolled_step_is_a_step():
    at = {"w": torch.tensor([2.0])}
    found = descended(lambda w, b: (w["w"] * b).sum(), at, [1.0, 3.0], 0.5)
    assert found["w"].item() == 0.0
    assert at["w"].item() == 2.0


def test_what_is_no_floating_parameter_stays_as_the_task_left_it():
    norm = nn.BatchNorm1d(2)
    over = meta(norm)
    with over.task():
        norm(torch.randn(8, 2))
        norm.weight.data.add_(1.0)
    over.update()
    assert norm.num_batches_tracked.item() == 1
    assert over.parameters.keys() == {"m.weight", "m.bias"}
    assert norm.weight.tolist() == [2.0, 2.0]


def test_a_task_that_breaks_down_leaves_no_trace():
    module = weights([0.0])
    over = meta(module)
    with pytest.raises(ZeroDivisionError), over.task():
        learn(module, [1.0 / len(over.outer.state)])
    assert (module[0].item(), over.tasks) == (0.0, 0)
    with pytest.raises(RuntimeError, match="learn a task"):
        over.update()
    late = meta(module, kind="fomaml")
    with pytest.raises(RuntimeError, match="call last_step"), late.task():
        learn(module, [1.0])


def test_whatever_is_tried_leaves_all_as_it_was_bit_by_bit():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(network.parameters())

    def step():
        optimizer.zero_grad()
        network(torch.randn(8, 3)).square().sum().backward()
        optimizer.step()

    step()
    states = [copy.deepcopy(thing.state_dict()) for thing in (network, optimizer)]
    random = torch.get_rng_state()
    with untouched(network, optimizers=[optimizer]):
        for _ in range(3):
            step()
        assert not torch.equal(network.state_dict()["0.weight"], states[0]["0.weight"])
    assert all(torch.equal(v, states[0][n]) for n, v in network.state_dict().items())
    now = optimizer.state_dict()
    assert now["param_groups"] == states[1]["param_groups"]
    for key, moments in states[1]["state"].items():
        assert all(torch.equal(now["state"][key][n], v) for n, v in moments.items())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("first_order", [False, True])
def test_tasks_learned_together_are_those_learned_one_by_one(first_order):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.GroupNorm(3, 3), nn.Flatten(), nn.Linear(27, 2))
    network.double()

    def loss(weights, batch):
        inside = {name.removeprefix("m."): value for name, value in weights.items()}
        return torch.func.functional_call(network, inside, batch).square().mean()

    images = torch.randn(4, 3, 6, 1, 5, 5, dtype=torch.double)  # tasks, batches, images
    one, other = meta(network), meta(network)
    serial = [
        one.unrolled(loss, Task(list(task[:2]), task[2]), ALPHA, first_order=first_order)
        for task in images
    ]
    tasks = Task([images[:, 0], images[:, 1]], images[:, 2])
    together = other.unrolled_together(loss, tasks, ALPHA, first_order=first_order)
    torch.testing.assert_close(together, torch.stack(serial))
    assert one.tasks == other.tasks == 4
    for a, b in zip(one._asked, other._asked, strict=True):
        torch.testing.assert_close(a, b)
