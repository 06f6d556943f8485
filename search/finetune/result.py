"""What a training reports on its way and at its end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One pass over the training data.

    Attributes:
        epoch: Number, from 0.
        steps: Steps done in it; fewer than a full epoch's in the last one of a fractional length.
        loss: Mean of the steps' losses.
        lr: Learning rate of its last step.
    """

    epoch: int
    steps: int
    loss: float
    lr: float


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a training did.

    Attributes:
        history: One record for each epoch, those before a resume included.
        steps: Steps done.
        seconds: Time spent in steps, before a resume included.
        resumed: Epochs that were taken from a checkpoint.
    """

    history: tuple[EpochRecord, ...]
    steps: int
    seconds: float
    resumed: int


@dataclass(frozen=True, slots=True)
class FitStep:
    """What `progress` is told after each step.

    Attributes:
        epoch: Number, from 0.
        step: Steps done, from 1.
        fraction: Part of the training that is done, at most 1.
        loss: Of this step.
        lr: Of this step.
        steps: Steps in all; None where a time decides.
    """

    epoch: int
    step: int
    fraction: float
    loss: float
    lr: float
    steps: int | None = None

    def told(self) -> tuple[int, int, str]:
        """Return what progress shows: steps done of all, or percent of the time, and the rest in words."""
        words = f"epoch {self.epoch + 1}, loss {self.loss:.4g}"
        if self.steps is None:
            return int(100 * self.fraction), 100, f"% of the time, step {self.step}, {words}"
        return self.step, self.steps, f"steps, {words}"
