"""The options that a recipe has, as one."""

from collections.abc import Sequence

from torch import Tensor, nn

from ..data.dataset import SearchData
from ..option_table import OPTIONS
from ..recipe import Recipe
from .base import Batch, RecipeOption, Training


def options_of(recipe: Recipe) -> "ChosenOptions":
    """Return the options of a recipe, in the order of the table."""
    return ChosenOptions(
        [OPTIONS[name].load()(recipe.options[name]) for name in OPTIONS if name in recipe.options],
        trains=all(OPTIONS[name].trains for name in recipe.options),
    )


class ChosenOptions:
    """Options whose methods are called in turn; without any, all is as without options."""

    def __init__(self, options: Sequence[RecipeOption], *, trains: bool = True) -> None:
        """Set the options.

        Args:
            options: The options.
            trains: Whether there is a training at all.
        """
        self.options = options
        self.trains = trains
        own = [each for each in options if OPTIONS[each.name].acts == "loss"]
        self._loss = own[0] if own else RecipeOption(None)

    def __bool__(self) -> bool:
        return bool(self.options)

    def changed_data(self, data: SearchData) -> SearchData:
        """Return the data to train on and to validate with."""
        for each in self.options:
            data = each.changed_data(data)
        return data

    def begin(self, training: Training) -> None:
        """Change the network before the optimiser is made."""
        for each in self.options:
            each.begin(training)

    def end(self) -> None:
        """Take back what outlives the training."""
        for each in self.options:
            each.end()

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that the next epochs depend on."""
        return {
            f"{option.name}.{key}": each
            for option in self.options
            for key, each in option.state().items()
        }

    def images(self, count: int) -> int:
        """Return the number of images of an epoch."""
        for each in self.options:
            count = each.images(count)
        return count

    def order(self, training: Training, order_N: Tensor) -> Tensor:
        """Return the places of the images of an epoch."""
        for each in self.options:
            order_N = each.order(training, order_N)
        return order_N

    def backward(
        self, training: Training, places: Tensor, images: Tensor, labels: Tensor
    ) -> Tensor:
        """Compute the clipped gradients of a step; return its loss.

        Args:
            training: The training.
            places: Places of the images among the training images, (B,).
            images: (B, C, R, R), augmented.
            labels: (B,).
        """
        batch = Batch(places=places, images=images, labels=labels)
        for each in self.options:
            batch = each.batch(training, batch)
        changed, targets = training.changes(batch.images, batch.labels)

        def once() -> Tensor:
            losses_B = self._loss.losses(training, changed, targets)
            weighted = losses_B if batch.weights is None else losses_B * batch.weights
            weighted.mean().backward()
            return losses_B.detach()

        losses_B = once()
        for each in self.options:
            each.seen(training, batch, losses_B)
            each.after_backward(training, once)
        nn.utils.clip_grad_norm_(training.optimizer.parameters, training.recipe.clip)
        for each in self.options:
            each.change_gradients(training)
        return losses_B.mean() if batch.weights is None else (losses_B * batch.weights).mean()

    def finish(self, training: Training) -> bool:
        """Change the kept weights; return whether they are scored again."""
        again = [each.finish(training) for each in self.options]
        return any(again)
