"""Devices, precision and processes."""

from __future__ import annotations

import os
import signal
from threading import Thread

import pytest
import torch

from edge.errors import ConfigError, Unavailable
from training.config import TrainConfig
from training.learn.devices import choose_device, choose_half_type, get_rng_state, set_arithmetic, set_rng_state
from training.learn.interrupts import catch_signals
from training.learn.processes import Processes


def there(monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    """Let torch find these devices and no others."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in kinds)


@pytest.mark.parametrize(
    ("kinds", "expected"), [((), "cpu"), (("mps",), "mps"), (("cuda",), "cuda:3"), (("cuda", "mps"), "cuda:3")]
)
def test_auto_takes_the_fastest_there_is(
    monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...], expected: str
) -> None:
    """CUDA, of which every process has its own, before MPS before the CPU."""
    there(monkeypatch, *kinds)
    assert str(choose_device("auto", 3)) == expected


def test_a_device_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message lists the available devices."""
    there(monkeypatch, "mps")
    with pytest.raises(Unavailable, match=r"torch finds no cuda here; use one of auto, mps, cpu"):
        choose_device("cuda")


def test_auto_mixes_precision_on_cuda_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """With bfloat16 where it can, else with 16-bit floats; elsewhere only where it is asked for."""
    cuda, cpu = torch.device("cuda", 0), torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert choose_half_type("auto", cuda) is torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert choose_half_type("auto", cuda) is torch.float16
    assert choose_half_type("off", cuda) is choose_half_type("auto", cpu) is None
    assert choose_half_type("bf16", cpu) is torch.bfloat16


def test_threads_and_precision_are_put_back() -> None:
    """Inside they are the run's, afterwards the former ones."""
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined] # torch has it, its types do not
    before, precision = torch.get_num_threads(), matmul.fp32_precision
    with set_arithmetic(TrainConfig(threads=before + 1, bf16=True)):
        assert torch.get_num_threads() == before + 1
        assert matmul.fp32_precision == "bf16"
    assert torch.get_num_threads() == before
    assert matmul.fp32_precision == precision != "bf16"


def test_the_random_state_is_restored() -> None:
    """After a state is restored the same numbers are drawn again."""
    cpu = torch.device("cpu")
    state, drawn = get_rng_state(cpu), torch.rand(3)
    set_rng_state(cpu, state)
    assert torch.equal(torch.rand(3), drawn)


def test_one_process_is_alone() -> None:
    """It has the whole batch, and all values are its own."""
    alone, state = Processes(), torch.arange(3)
    assert alone.divide_batch(8) == 8
    assert alone.broadcast(0.5) == 0.5
    assert alone.reduce_any(True)
    assert not alone.reduce_any(False)
    assert torch.equal(alone.gather(state), state[None])


def test_a_batch_that_cannot_be_divided_is_named() -> None:
    """Two processes have half of it each; three cannot share 8."""
    assert Processes(size=2).divide_batch(8) == 4
    with pytest.raises(ConfigError, match="8 cannot be divided by 3 processes"):
        Processes(size=3).divide_batch(8)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_once(number: signal.Signals) -> None:
    """The first asks; from then on, and after, the process takes them as it did before."""
    before = signal.getsignal(number)
    with catch_signals() as asked:
        assert not asked()
        os.kill(os.getpid(), number)
        assert asked()
        assert signal.getsignal(number) == before
    assert signal.getsignal(number) == before


def test_another_thread_leaves_signals_alone() -> None:
    """A run in a thread is not asked."""
    before, said = signal.getsignal(signal.SIGTERM), []

    def run() -> None:
        with catch_signals() as asked:
            said.append((asked(), signal.getsignal(signal.SIGTERM) == before))

    thread = Thread(target=run)
    thread.start()
    thread.join()
    assert said == [(False, True)]
