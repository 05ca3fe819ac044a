"""Learning to learn: weights from which a task is learned in a few steps.

With U_k(phi) the weights after k steps on a task, begun at phi, and W the number of tasks that are
learned from the same phi:

| kind | phi moves by | source |
|---|---|---|
| `reptile` | epsilon / W  sum U_k(phi) - phi | Nichol, Achiam & Schulman 2018 |
| `fomaml` | epsilon / W  sum U_k(phi) - U_{k-1}(phi), the last step alone | the same |
| `maml` | -epsilon / W  sum of the gradient of L(U_k(phi)) on other images | Finn et al. 2017 |

Each of these is handed to an outer optimiser as a gradient: plain descent with rate epsilon is the
formula above, and Adam is what FIGR does. So the schedule of epsilon is that of a learning rate.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import grad, grad_and_value, vmap

Weights = Mapping[str, Tensor]
Loss = Callable[[Weights, Any], Tensor]
"""Weights by name and a batch, to a scalar."""


class Task(NamedTuple):
    """What `maml` learns a task from, and is judged by on it."""

    support: Sequence[Any]
    """A batch for each inner step."""
    query: Any
    """A batch of other images of the task."""


class MetaOptimizer:
    """Moves a named list of modules by what tasks did to them.

    Only floating parameters are moved and brought back; what else a module holds, such as the
    running statistics and the counter of a batch norm, stays as the last task left it.

    Args:
        modules: The modules that learn tasks, by name; a GAN may leave its generator out.
        outer: Optimiser of their parameters, which descends what is handed to it.
        kind: Which displacement a task asks for; `maml` has `unrolled` in place of `task`.

    Attributes:
        tasks: Tasks that were learned since the last `update`.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        outer: torch.optim.Optimizer,
        kind: Literal["reptile", "fomaml"] = "reptile",
    ) -> None:
        self.outer, self.kind, self.tasks = outer, kind, 0
        self.parameters = {
            f"{name}.{inner}": value
            for name, module in modules.items()
            for inner, value in module.named_parameters()
            if value.is_floating_point()
        }
        self._asked: list[Tensor] = []
        self._last: list[Tensor] | None = None

    @contextmanager
    def task(self) -> Iterator[None]:
        """Learn one task inside: afterwards the weights are as they were, and its wish is noted.

        Raises:
            RuntimeError: Of a task for `fomaml`, nobody said which step is the last.
        """
        before, self._last = self._copies(), None
        try:
            yield
            begun = before if self.kind == "reptile" else self._last
            if begun is None:
                raise RuntimeError("call last_step before the last step of a task for fomaml")
            self._note(was - now for was, now in zip(begun, self._copies(), strict=True))
        finally:
            with torch.no_grad():
                for value, was in zip(self.parameters.values(), before, strict=True):
                    value.copy_(was)

    def last_step(self) -> None:
        """Say that the next inner step is the task's last, which is all that `fomaml` looks at."""
        if self.kind == "fomaml":
            self._last = self._copies()

    def unrolled(self, loss: Loss, task: Task, rate: float, *, first_order: bool = False) -> Tensor:
        """Learn one task by gradient descent, and note the gradient through all of its steps.

        Args:
            loss: Scalar loss of weights (named as `parameters` are) on a batch.
            task: Its batches.
            rate: Learning rate alpha of the inner steps.
            first_order: Take the inner gradients for constants, which is FOMAML.

        Returns:
            The loss on the query batch after the inner steps, detached.
        """
        values = {name: value.detach() for name, value in self.parameters.items()}
        gradients, value = _judged(loss, values, task, rate, first_order)
        self._note(gradients[name] for name in self.parameters)
        return value.detach()

    def unrolled_together(
        self, loss: Loss, tasks: Task, rate: float, *, first_order: bool = False
    ) -> Tensor:
        """The same of several tasks at once, by torch.func.vmap.

        On a CPU small perceptrons gain much, and convolutions, whose weights then differ between
        tasks, little or nothing (`benchmarks/vmap_tasks.py`).

        Args:
            loss: As for `unrolled`.
            tasks: Batches whose tensors begin with an axis of tasks.
            rate: Learning rate of the inner steps.
            first_order: Take the inner gradients for constants.

        Returns:
            The loss of each task on its query batch, [W], detached.
        """
        values = {name: value.detach() for name, value in self.parameters.items()}

        def one(support: Any, query: Any) -> Any:
            return _judged(loss, values, Task(support, query), rate, first_order)

        gradients, found = vmap(one)(tasks.support, tasks.query)
        for i in range(len(found)):
            self._note(gradients[name][i] for name in self.parameters)
        return found.detach()

    def update(self) -> None:
        """Move the weights by the mean wish of the tasks since the last update.

        Raises:
            RuntimeError: There were none.
        """
        if not self.tasks:
            raise RuntimeError("learn a task before the update")
        for value, asked in zip(self.parameters.values(), self._asked, strict=True):
            value.grad = asked / self.tasks
        self.outer.step()
        self.outer.zero_grad()
        self._asked, self.tasks = [], 0

    def _note(self, wishes: Iterable[Tensor]) -> None:
        wanted = list(wishes)
        pairs = zip(self._asked or wanted, wanted, strict=True)
        self._asked = [a + w for a, w in pairs] if self.tasks else wanted
        self.tasks += 1

    def _copies(self) -> list[Tensor]:
        return [value.detach().clone() for value in self.parameters.values()]


def _judged(
    loss: Loss, weights: Weights, task: Task, rate: float, first_order: bool
) -> tuple[dict[str, Tensor], Tensor]:
    """Gradient in the weights of a task's query loss after its inner steps, and that loss."""

    def after(weights: Weights) -> Tensor:
        return loss(descended(loss, weights, task.support, rate, first_order), task.query)

    found: tuple[dict[str, Tensor], Tensor] = grad_and_value(after)(dict(weights))
    return found


def descended(
    loss: Loss, weights: Weights, batches: Sequence[Any], rate: float, first_order: bool = False
) -> dict[str, Tensor]:
    """Weights after a step of gradient descent on each batch; differentiable in `weights`."""
    now = dict(weights)
    for batch in batches:
        slopes = grad(loss)(now, batch)
        now = {
            name: value - rate * (slopes[name].detach() if first_order else slopes[name])
            for name, value in now.items()
        }
    return now


@contextmanager
def untouched(
    *modules: nn.Module, optimizers: Sequence[torch.optim.Optimizer] = ()
) -> Iterator[None]:
    """Let anything be tried inside: afterwards all is as it was, bit by bit.

    Weights, buffers, the optimisers' states and torch's own random numbers come back, so that an
    evaluation in mid-training changes nothing of what follows.
    """
    states = [copy.deepcopy(module.state_dict()) for module in modules]
    moments = [copy.deepcopy(optimizer.state_dict()) for optimizer in optimizers]
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            yield
        finally:
            for module, state in zip(modules, states, strict=True):
                module.load_state_dict(state)
            for optimizer, state in zip(optimizers, moments, strict=True):
                optimizer.load_state_dict(state)
